from bottle import Bottle, redirect, request, response, static_file

application = Bottle()


@application.get("/")
def index():
    response.set_cookie("seen", "yes", path="/")
    return f"index {request.script_name} {request.get_cookie('seen', '')}"


@application.post("/form")
def form():
    upload = request.files.get("upload")
    return {"text": request.forms.text, "size": len(upload.file.read()) if upload else 0}


@application.post("/json")
def json():
    return {"got": request.json}


@application.get("/file")
def file():
    return static_file("bottle_forms.py", root=__file__.rpartition("/")[0])


@application.get("/stream")
def stream():
    for number in range(3):
        yield f"piece {number}\n"


@application.get("/moved")
def moved():
    redirect("/")
