import type { CallView, PeerView, StatusView } from './admin-server.ts';

/** The operator's page: everything on it is also at /status as JSON. */
export function statusPage(status: StatusView): string {
  const { audit, callsUp, transactions, media } = status;
  const flows = Object.entries(status.flows).map(([kind, count]) =>
    tile(count, kind === 'udp' ? 'UDP flows' : kind),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="2">
<title>${escapeHtml(status.domain)} · tibet-sip</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>${escapeHtml(status.domain)}</h1>
<p class="state ${audit.healthy ? 'good' : 'bad'}">${audit.healthy ? 'taking calls' : 'refusing new calls'}</p>
</header>
${audit.healthy ? '' : '<p class="alarm" role="alert">The audit log takes no records, so new calls get 503. Free disk space or mend the data directory; the gateway goes on by itself.</p>'}
<ul class="tiles">${tile(callsUp, callsUp === 1 ? 'call' : 'calls')}${media === undefined ? '' : tile(media.sessions, 'with media here')}${flows.join('')}${tile(transactions, 'transactions')}${tile(audit.records, 'audit records')}</ul>
<h2>Calls</h2>
${callTable(status.calls)}
${status.callsTruncated ? `<p class="quiet">The first ${status.calls.length} of ${callsUp} calls.</p>` : ''}
${peerTable(status.peers)}
<h2>Node</h2>
<dl>
<dt>software</dt><dd>${escapeHtml(status.software)}</dd>
<dt>running since</dt><dd>${time(status.startedAt)}</dd>
<dt>listens on</dt><dd>${status.addresses.map((address) => `<code>${escapeHtml(address)}</code>`).join(' ')}</dd>
${
  media === undefined
    ? ''
    : `<dt>media</dt><dd${media.up ? '' : ' class="bad"'}>${escapeHtml(media.detail)}</dd>
`
}<dt>fingerprint</dt><dd><code>${escapeHtml(status.node)}</code></dd>
</dl>
<footer class="quiet">Also here: <a href="status">status</a>, <a href="healthz">healthz</a>, <a href="metrics">metrics</a></footer>
</body>
</html>
`;
}

function tile(count: number, what: string): string {
  return `<li><b>${count.toLocaleString('en')}</b> ${escapeHtml(what)}</li>`;
}

function callTable(calls: readonly CallView[]): string {
  if (calls.length === 0) return '<p class="quiet">Nobody is on the phone.</p>';
  const rows = calls.map(
    ({ caller, callee, state, intent, since }) =>
      `<tr><td>${escapeHtml(caller)}</td><td>${escapeHtml(callee)}</td><td><span class="${state}">${state}</span></td><td>${escapeHtml(intent)}</td><td>${time(since)}</td></tr>`,
  );
  return `<div class="wide"><table>
<thead><tr><th>caller</th><th>callee</th><th>state</th><th>intent</th><th>since</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>`;
}

function peerTable(peers: readonly PeerView[]): string {
  if (peers.length === 0) return '';
  const rows = peers.map(({ name, role, target, state, since, registrations }) => {
    const { registered, pending, refused } = registrations ?? { registered: 0, pending: 0, refused: 0 };
    const held =
      registrations === undefined
        ? ''
        : `${registered} registered${pending > 0 ? `, ${pending} pending` : ''}${refused > 0 ? `, ${refused} refused` : ''}`;
    const mark = { up: 'good', down: 'bad', unknown: 'quiet' }[state];
    return `<tr><td>${escapeHtml(name)}</td><td><code>${escapeHtml(target)}</code></td><td><span class="${mark}">${state}</span></td><td>${role}</td><td>${held}</td><td>${time(since)}</td></tr>`;
  });
  return `<h2>Peers</h2>
<div class="wide"><table>
<thead><tr><th>peer</th><th>target</th><th>state</th><th>role</th><th>registrations</th><th>since</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>`;
}

/** `2026-01-31 12:00:00 UTC` of an ISO 8601 text. */
function time(iso: string): string {
  return `<time datetime="${escapeHtml(iso)}">${escapeHtml(iso.slice(0, 19).replace('T', ' '))} UTC</time>`;
}

/** Names and intents are the callers' words: nothing in them may become markup. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const style = `
:root{--ink:#1d2530;--quiet:#5b6675;--line:#dfe3e8;--card:#fff;--page:#f5f6f8;--good:#17693f;--warm:#8a5a00;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--quiet:#98a3b3;--line:#2d3540;--card:#1b2129;--page:#12161c;--good:#6fd39c;--warm:#e3b35a;--bad:#ff8a80}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:0 auto;padding:2rem 1rem;color:var(--ink);background:var(--page)}
header{display:flex;align-items:baseline;gap:1rem;flex-wrap:wrap}
h1{font-size:1.6rem;margin:0;overflow-wrap:anywhere}
h2{font-size:1rem;margin:2rem 0 .5rem}
.state{margin:0;font-weight:600}.state::before{content:"●";margin-right:.4em}
.good,.answered{color:var(--good)}.bad{color:var(--bad)}.ringing{color:var(--warm)}.trying,.quiet{color:var(--quiet)}
.alarm{border-left:.3rem solid var(--bad);padding:.6rem 1rem;background:var(--card)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem;list-style:none;padding:0;margin:1.25rem 0}
.tiles li{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem .9rem;color:var(--quiet)}
.tiles b{display:block;font-size:1.5rem;color:var(--ink);font-variant-numeric:tabular-nums}
.wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
table{border-collapse:collapse;width:100%;min-width:50rem}
th,td{padding:.5rem .9rem;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
td{min-width:9rem;overflow-wrap:anywhere}
th,td:nth-child(3),td time{white-space:nowrap}td:nth-child(3){min-width:0;overflow-wrap:normal}
thead th{border-top:0;font-weight:600;color:var(--quiet)}
time{font-variant-numeric:tabular-nums}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.2rem;margin:0}
dt{color:var(--quiet)}dd{margin:0;overflow-wrap:anywhere}
code{font-size:.9em}a{color:inherit}footer{margin-top:2rem}
`;
