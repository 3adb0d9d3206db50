from cryptography.fernet import Fernet

box = Fernet(b"0" * 43 + b"=")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [box.decrypt(box.encrypt(environ["wsgi.input"].read()))]
