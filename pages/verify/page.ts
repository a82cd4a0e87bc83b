import {
  forkBetween,
  formatComparison,
  handOverHeader,
  parseTrust,
  type Report,
  type Trust,
  type Verdict,
  VerifyError,
  verdictMeanings,
  verifyFile,
} from '../../src/verify/index.ts';
import { element, showReport } from './show.ts';

/** A proof of ten thousand records has about thirty megabytes. */
const maxFileBytes = 64_000_000;

interface GivenFile {
  readonly name: string;
  readonly text: string;
}

const vkey = find('vkey', HTMLInputElement);
const policy = find('policy', HTMLTextAreaElement);
const chooser = find('files', HTMLInputElement);
const drop = find('drop', HTMLElement);
const results = find('results', HTMLElement);
let files: readonly GivenFile[] = [];
let receipts: string | undefined;
let handOvers: readonly string[] = [];

find('verdicts', HTMLElement).append(
  element(
    'dl',
    {},
    ...(Object.keys(verdictMeanings) as Verdict[]).map((verdict) =>
      element('div', {}, element('strong', {}, `${verdict} `), verdictMeanings[verdict]),
    ),
  ),
);
for (const field of [vkey, policy]) field.addEventListener('input', show);
chooser.addEventListener('change', () => void take(chooser.files));
for (const name of ['dragover', 'dragleave', 'drop'])
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle('over', name === 'dragover');
  });
document.addEventListener('drop', (event) => void take(event.dataTransfer?.files ?? null));

/** Policy, verifier key, hand-overs and receipts among the files go where they belong; the rest is checked. */
async function take(list: FileList | null): Promise<void> {
  const taken: GivenFile[] = [];
  for (const file of list ?? []) {
    const text = file.size > maxFileBytes ? '' : await file.text();
    if (/^\s*(#|log\s|witness\s|group\s|quorum\s)/.test(text)) policy.value = text;
    else if (/^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+\s*$/.test(text)) vkey.value = text.trim();
    else if (text.startsWith(handOverHeader)) handOvers = [...handOvers, text];
    else if (/^(node|receipt) [\w-]+\s*$/m.test(text.slice(0, 65_536)) && !text.startsWith('c2sp'))
      receipts = text;
    else taken.push({ name: file.name, text });
  }
  if (taken.length > 0) files = taken;
  show();
}

function show(): void {
  if (files.length === 0) return;
  results.replaceChildren(...reports().map(({ name, report }) => showReport(name, report)));
}

function reports(): readonly { readonly name: string; readonly report: Report }[] {
  let trust: Trust;
  try {
    trust = parseTrust(vkey.value, policy.value, handOvers);
  } catch (error) {
    if (vkey.value.trim() !== '' || policy.value.trim() !== '') {
      const says = error instanceof VerifyError ? error.message : String(error);
      return files.map(({ name }) => ({ name, report: untrusted(says) }));
    }
    trust = { logs: [], policy: undefined };
  }
  const each = files.map(({ name, text }) => ({ name, report: verifyFile(text, trust, receipts) }));
  return [...forks(trust), ...each];
}

/** Proofs that hold each by itself may still contradict each other: that is how a second log shows. */
function forks(trust: Trust): readonly { readonly name: string; readonly report: Report }[] {
  const found: { readonly name: string; readonly report: Report }[] = [];
  for (const [at, a] of files.entries())
    for (const b of files.slice(at + 1)) {
      try {
        const evidence = forkBetween(a.text, b.text, trust.logs);
        if (evidence)
          found.push({
            name: `${a.name} against ${b.name}`,
            report: verifyFile(formatComparison(evidence), trust),
          });
      } catch (error) {
        if (!(error instanceof VerifyError)) throw error;
      }
    }
  return found;
}

function untrusted(says: string): Report {
  return {
    ...verifyFile('', { logs: [], policy: undefined }),
    verdict: 'UNCHECKED',
    summary: `Nothing can be checked yet: ${says}.`,
    checks: [{ name: 'Whom you trust', ok: false, says }],
    findings: [],
    open: [],
  };
}

function find<Type extends HTMLElement>(id: string, type: new () => Type): Type {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${id}`);
  return found;
}
