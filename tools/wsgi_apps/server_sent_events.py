def application(environ, start_response):
    headers = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"), ("Connection", "keep-alive")]
    start_response("200 OK", headers)
    for number in range(3):
        yield f"id: {number}\ndata: {number}\n\n".encode()
