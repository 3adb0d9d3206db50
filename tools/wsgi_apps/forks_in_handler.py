import os


def application(environ, start_response):
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writer, b"the child's word")
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    said = os.read(reader, 100)
    os.close(reader)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said]
