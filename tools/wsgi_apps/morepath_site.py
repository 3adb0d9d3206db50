import morepath


class App(morepath.App):
    pass


@App.path(path="/")
class Root:
    pass


@App.json(model=Root)
def root(self, request):
    return {"name": request.params.get("name"), "url": request.link(self).partition("//")[0]}


@App.json(model=Root, request_method="POST")
def posted(self, request):
    return {"got": request.json}


App.commit()
application = App()
