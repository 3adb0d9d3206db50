#!/usr/bin/env python3
import html

print("Content-Type: text/plain")
print()
print(html.escape("Hello!"))
