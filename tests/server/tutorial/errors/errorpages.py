from mod_python import apache

def handler(req):
    if req.filename[-17:] == 'apache-error.html':
        # make Apache report an error and render the error page
        return(apache.HTTP_NOT_FOUND)
    if req.filename[-18:] == 'handler-error.html':
        # use our own error page
        req.status = apache.HTTP_NOT_FOUND
        pagebuffer = 'Page not here. Page left, not know where gone.'
    else:
        # use the contents of a file
        pagebuffer = open(req.filename, 'r').read()

    # fall through from the latter two above
    req.write(pagebuffer)
    return(apache.OK)
