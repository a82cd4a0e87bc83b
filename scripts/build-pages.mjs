// npm run build, npm run build:pages [-- DIRECTORY]: the auditor's verifier for browsers. Writes docs/verify/index.html,
// one file that loads nothing, and dist/verify/browser.js, the same verifier as one module. Both come out the same each
// time, so that everybody can build the page again and compare.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = process.argv[2] ?? root;
const source = join(root, 'pages/verify');

const script = await bundle(join(source, 'page.ts'), 'iife');
const style = readFileSync(join(source, 'page.css'), 'utf8').trim();
// Nothing may be loaded and nowhere may be connected to: the browser enforces what the page promises.
const policy = `default-src 'none'; script-src '${digest(script)}'; style-src '${digest(style)}'; base-uri 'none'; form-action 'none'`;
const page = fill(readFileSync(join(source, 'index.html'), 'utf8'), {
  csp: `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
  style: `<style>${style}</style>`,
  script: `<script>${script}</script>`,
});
write('docs/verify/index.html', page);
write('dist/verify/browser.js', await bundle(join(root, 'src/verify/index.ts'), 'esm'));

async function bundle(input, format) {
  const { output } = await build({
    input,
    platform: 'browser',
    write: false,
    logLevel: 'warn',
    output: { format, minify: true },
  });
  const [chunk] = output;
  if (output.length !== 1) throw new Error(`${input} is not one file`);
  // Inside a page, a script ends at the first thing that looks like its end.
  return chunk.code.replaceAll('</script', '<\\/script').trim();
}

function fill(text, parts) {
  let filled = text;
  for (const [name, part] of Object.entries(parts)) {
    const mark = `<!-- ${name} -->`;
    if (filled.split(mark).length !== 2) throw new Error(`the page has no place for its ${name}`);
    filled = filled.replace(mark, () => part);
  }
  return filled;
}

function digest(text) {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

function write(name, text) {
  const path = join(target, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  console.log(
    `${name}: ${text.length} characters, SHA-256 ${createHash('sha256').update(text).digest('hex')}`,
  );
}
