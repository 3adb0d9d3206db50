index py
