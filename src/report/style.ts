// The report's looks: light and dark by what the reader's system says, and on paper nothing hidden.
export const style = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#4a5560;--paper:#fff;--raised:#f3f5f7;--line:#c9d1d9;--ok:#116329;--bad:#b3121d;--open:#7a4d00;--even:#2f6fb5;--odd:#5b8f99;--path:#1b1f24;--focus:#8a2be2}
@media (prefers-color-scheme:dark){:root{--ink:#e8ecf0;--soft:#aab4be;--paper:#14181c;--raised:#20262c;--line:#3d4650;--ok:#6fdd8b;--bad:#ff8f8a;--open:#f2c55c;--even:#5f9fe0;--odd:#7fb6bf;--path:#fff;--focus:#d9a7ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:110rem;padding:1rem 1.5rem 4rem;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.3;margin:.3rem 0;overflow-wrap:anywhere}h2{font-size:1.25rem;margin:2rem 0 .6rem;border-bottom:1px solid var(--line)}h3{font-size:1.02rem;margin:.8rem 0 .2rem}
p{margin:.4rem 0}a{color:inherit}ul{padding-left:1.2rem}
td:has(>.mark){width:1.6rem}code,pre,kbd{font:13px/1.45 ui-monospace,monospace;overflow-wrap:anywhere}pre{white-space:pre-wrap;background:var(--raised);padding:.5rem .7rem;margin:.3rem 0;border-left:3px solid var(--line)}td pre{max-width:60rem}
.kicker,.facts,.aside,code{color:var(--soft)}small{font-weight:400;font-size:.93rem;color:var(--soft);margin-left:.4rem}
.ok{color:var(--ok)}.bad{color:var(--bad)}.open{color:var(--open)}
.simulated{border:2px dashed var(--open);padding:.4rem .7rem;font-weight:600}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.6rem 0}dt{color:var(--soft)}dd{margin:0;min-width:0}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}th{font-weight:600}thead th{color:var(--soft);overflow-wrap:normal}caption{text-align:left}
.whole{white-space:nowrap}td>div+div{margin-top:.1rem}abbr{text-decoration-style:dotted}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1rem;align-items:center;position:sticky;top:0;z-index:1;background:var(--paper);border-bottom:1px solid var(--line);padding:.4rem 0}
input{font:inherit;color:inherit;background:var(--raised);border:1px solid var(--soft);padding:.15rem .5rem;width:14rem}
section{scroll-margin-top:3rem}.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:1rem;background:var(--paper);padding:.5rem;z-index:2}
:focus-visible{outline:3px solid var(--focus);outline-offset:1px}
summary{cursor:pointer;width:max-content;max-width:100%}details{margin:.3rem 0}
.number{color:var(--soft)}.phase{border-left:3px solid var(--line);padding-left:.9rem;margin-bottom:.7rem}.phase h3{margin-top:0}
.failure{border-left:4px solid var(--bad);padding-left:.9rem}
.timeline{table-layout:fixed}.timeline th,.timeline td{padding:0 .6rem 0 0;border-bottom-style:dotted;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;line-height:1.35}.timeline thead th:nth-child(1){width:11rem}.timeline thead th:nth-child(3){width:9.5rem}.timeline td>svg,.timeline th>svg{display:block;width:100%}
svg.key{display:inline;vertical-align:-3px;margin-left:.8rem}svg.defs{position:absolute}
rect{fill:var(--even)}rect.odd{fill:var(--odd)}rect.band{fill:var(--raised);stroke:var(--line)}svg text{fill:var(--ink);font-size:11px}
rect.critical{stroke:var(--path);stroke-width:2}rect.failed{fill:url(#hatch);stroke:var(--bad);stroke-width:2}rect.skipped{fill:none;stroke:var(--soft);stroke-dasharray:2 2}rect.unfinished{fill:none;stroke:var(--open);stroke-width:2}
rect.step:focus{outline:none;stroke:var(--focus);stroke-width:4}#hatch path{stroke:var(--bad)}
#step{min-height:2.9em;background:var(--raised);padding:.3rem .7rem}
@media screen{.off{display:none}}
@media print{:root{color-scheme:light;--ink:#000;--soft:#333;--paper:#fff;--raised:#f3f5f7;--line:#999;--ok:#0b4a1d;--bad:#8f0d16;--open:#5c3a00;--even:#2f6fb5;--odd:#5b8f99;--path:#000}body{font-size:10pt;padding:0}nav,.skip,#step{display:none}details::details-content{content-visibility:visible;block-size:auto}pre{break-inside:avoid}tr,h3{break-inside:avoid}h2,h3{break-after:avoid}rect,b{print-color-adjust:exact;-webkit-print-color-adjust:exact}.timeline thead th:nth-child(1){width:8rem}abbr[title]::after{content:" (" attr(title) ")"}}
`;
