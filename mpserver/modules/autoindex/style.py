"""How a listing looks where IndexStyleSheet names nothing else: light and dark, on desks and on phones."""

from __future__ import annotations

from mpserver.api.page_style import BASE

STYLE = (
    BASE
    + """\
:root{--hover:#eef3f9;--folder:#b7791f}
@media(prefers-color-scheme:dark){:root{--hover:#1e252d;--folder:#e0ad57}}
body{padding-bottom:3rem}
h1{margin-bottom:1.25rem}
a{text-decoration:none}
a:hover,a:focus-visible{text-decoration:underline}
pre{overflow-x:auto}
hr{margin:0}
address{margin-top:1.5rem}
.list{padding:0;list-style:none}
.list li{padding:.25rem .5rem;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-size:.85rem;font-weight:600;text-align:left;color:var(--faint);white-space:nowrap}
th a{color:inherit}
th,td{padding:.4rem .5rem;vertical-align:top}
.indexbreakrow th{padding:0}
.even:hover,.odd:hover,.list li:hover{background:var(--hover)}
.indexcolicon{width:2.25rem;color:var(--faint);line-height:0;padding-top:.55rem}
.indexcolname{overflow-wrap:anywhere}
.indexcollastmod{white-space:nowrap;color:var(--faint)}
.indexcolsize{white-space:nowrap;text-align:right;color:var(--faint)}
.indexcoldesc{color:var(--faint)}
th[aria-sort=ascending] a::after{content:" \\2191"}
th[aria-sort=descending] a::after{content:" \\2193"}
.folder{color:var(--folder)}
@media(max-width:40rem){
body{padding:1rem .75rem 2rem}
h1{padding:0 .5rem}
table,tbody{display:block}
tr{display:flex;flex-wrap:wrap;align-items:baseline;border-bottom:1px solid var(--line);padding:.15rem 0}
.indexbreakrow,.none{display:none}
td,th{padding:.2rem .5rem}
.indexcolicon{padding-top:0;align-self:center}
.indexcolname{flex:1 0 calc(100% - 2.25rem)}
td.indexcolname{font-size:1.05rem}
td.indexcollastmod{padding-left:2.75rem;font-size:.85rem}
td.indexcolsize{font-size:.85rem;margin-left:auto}
td.indexcoldesc{flex:1 0 100%;padding-left:2.75rem;font-size:.9rem}
.indexhead th.indexcolicon{display:none}
.indexhead th.indexcolname{flex:0 1 auto}
}
"""
)
