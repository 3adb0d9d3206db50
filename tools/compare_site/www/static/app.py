content of static/app.py
