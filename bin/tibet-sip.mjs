#!/usr/bin/env node
// The installed command. The built code needs Node.js 26: on an older one it runs on the Node.js
// that comes with the package.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { constants } from 'node:os';

const main = new URL('../dist/cli/main.js', import.meta.url);

if (Number(process.versions.node.split('.')[0]) >= 26) await import(main.href);
else runBundled();

function runBundled() {
  const name = `node-${process.platform}-${process.arch}`;
  let node;
  try {
    node = createRequire(import.meta.url).resolve(`${name}/bin/node`);
  } catch {
    process.stderr.write(
      `tibet-sip: needs Node.js 26, this is ${process.version}, and ${name} is not installed; install Node.js 26\n`,
    );
    process.exit(1);
  }
  const child = spawn(node, [main.pathname, ...process.argv.slice(2)], { stdio: 'inherit' });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`tibet-sip: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}
