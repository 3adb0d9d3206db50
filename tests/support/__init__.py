"""What tests share: a real server in a folder of its own, a mail server, waiting for conditions."""
