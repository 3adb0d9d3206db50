-- Sends a form of five fields.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.body = "name=Zoe+Smith&town=Z%C3%BCrich&comment=It+works%21&colour=green&colour=blue"
