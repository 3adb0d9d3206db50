"""How all pages look that the server makes itself: light and dark, on desks and on phones, without other files."""

#: The colours, letters and measures that all have; each kind of page adds its own.
BASE = """\
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--text:#1c2127;--faint:#5f6b7a;--line:#e1e5ea;--mark:#0b5cad;
--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--page:#15181c;--card:#1c2127;--text:#e3e7ec;--faint:#98a3b1;--line:#2b3138;
--mark:#7db7f5;--bad:#f2938c}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.5rem;max-width:64rem;background:var(--page);color:var(--text);
font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.4rem;line-height:1.3;margin:0 0 1rem}
h2{font-size:1.05rem;margin:1.75rem 0 .5rem}
a{color:var(--mark)}
pre,code{font:.875rem/1.5 ui-monospace,SFMono-Regular,Menlo,monospace}
hr{border:0;border-top:1px solid var(--line);margin:1.5rem 0 1rem}
address{color:var(--faint);font-size:.85rem;font-style:normal}
@media(max-width:40rem){body{padding:1rem .75rem}}
"""

#: What is read like a letter: a page about an error.
NOTE = BASE + "body{max-width:40rem;padding-top:12vh}\n"
