// Makes the checkout ready to run: installs the npm packages when they are missing or older than
// package-lock.json, and checks that a Node.js that runs TypeScript is there. Runs on Node 20.
// With --dev the packages for tests and checks must be there too.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const needed = 26;

/** npm leaves a copy of the lock file of what it really installed: no marker of our own can be more honest. */
function isInstalled(withDev) {
  const installedFile = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const wanted = readPackages(join(root, 'package-lock.json'));
  const installed = readPackages(installedFile);
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.optional || entry.devOptional || entry.peer) continue;
    if (entry.dev && !withDev) continue;
    if (installed[path] === undefined) return false;
  }
  return Object.entries(installed).every(
    ([path, entry]) => wanted[path]?.version === entry.version && wanted[path]?.integrity === entry.integrity,
  );
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
}

function install(withDev) {
  process.stderr.write('tibet-sip: installing npm packages (once; takes some seconds) …\n');
  // npm must not run on the Node.js inside the folder that it replaces.
  const path = (process.env.PATH ?? '')
    .split(':')
    .filter((entry) => !entry.endsWith('/node_modules/.bin'))
    .join(':');
  // Not "npm ci": it refuses a lock file that leaves out platform packages which its registry doesn't serve.
  // This installs the same locked versions, checks the same hashes and leaves both files alone.
  const wanted = ['--include=optional', ...(withDev ? ['--include=dev'] : [])];
  const npm = spawnSync(
    'npm',
    ['install', '--no-save', ...wanted, '--no-audit', '--no-fund', '--loglevel=error'],
    { cwd: root, env: { ...process.env, PATH: path }, stdio: ['ignore', 2, 2] },
  );
  if (npm.status !== 0) {
    const why = npm.error ? npm.error.message : `npm install ended with ${npm.status ?? npm.signal}`;
    fail(`the npm packages could not be installed (${why}); run "npm install --no-save" by hand to see why`);
  }
}

/** npm puts node_modules/.bin first on the path of its scripts, so a bundled Node.js is found before any other. */
function checkNode() {
  if (existsSync(join(root, 'node_modules/.bin/node'))) return;
  const major = Number(process.versions.node.split('.')[0]);
  if (major < needed)
    fail(
      `no Node.js ${needed} is bundled for ${process.platform}-${process.arch} and this is ${process.version}; install Node.js ${needed}`,
    );
}

function fail(message) {
  process.stderr.write(`tibet-sip: ${message}\n`);
  process.exit(1);
}

const withDev = process.argv.includes('--dev');
if (!isInstalled(withDev)) install(withDev);
checkNode();
