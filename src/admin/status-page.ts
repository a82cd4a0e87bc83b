import type { StatusView } from './admin-server.ts';

/** The operator's page: everything on it is also at /status as JSON. */
export function statusPage(status: StatusView): string {
  const flows = Object.entries(status.flows).map(
    ([transport, count]) => `<td>${escapeHtml(transport)}: <b>${count}</b></td>`,
  );
  const calls = status.calls.map(
    ({ caller, callee, state, intent, since }) =>
      `<tr><td>${escapeHtml(caller)}</td><td>${escapeHtml(callee)}</td><td>${state}</td><td>${escapeHtml(intent)}</td><td>${escapeHtml(since)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>${escapeHtml(status.domain)} · tibet-sip</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fbfbf9}
h1{font-size:1.4rem}table{border-collapse:collapse;width:100%}td,th{padding:.3rem .8rem .3rem 0;text-align:left;border-bottom:1px solid #ddd}
code{font-size:.85rem;word-break:break-all}.bad{color:#b00020}
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#15181d}td,th{border-color:#333}}
</style></head><body>
<h1>${escapeHtml(status.domain)}</h1>
<p>${escapeHtml(status.software)} since ${escapeHtml(status.startedAt)} on ${status.addresses.map(escapeHtml).join(', ')}<br>node <code>${escapeHtml(status.node)}</code></p>
<p>Audit log: ${status.audit.healthy ? `${status.audit.records} records, taking more` : '<b class="bad">takes no records: new calls get 503. Free disk space or mend the data directory.</b>'}</p>
<table><tr>${flows.join('')}<td>transactions: <b>${status.transactions}</b></td></tr></table>
<h2>Calls (${status.callsUp})</h2>
<table><tr><th>caller</th><th>callee</th><th>state</th><th>intent</th><th>since</th></tr>${calls.join('')}</table>
${status.callsTruncated ? '<p>Only the first calls are shown.</p>' : ''}
</body></html>`;
}

/** Names and intents are the callers' words: nothing in them may become markup. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
