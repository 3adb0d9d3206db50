"""A module that parts of pages import."""


def told(text):
    return "told " + text
