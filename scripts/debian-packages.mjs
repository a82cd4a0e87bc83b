// The Debian packages that tests use, and the commands that show that they are there.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';
import { join } from 'node:path';

const commandOfPackage = {
  'sip-tester': 'sipp',
  'baresip-core': 'baresip',
  'linphone-cli': 'linphonec',
  'redis-server': 'redis-server',
  kamailio: 'kamailio',
  openssl: 'openssl',
  iproute2: 'ip',
  nftables: 'nft',
  conntrack: 'conntrack',
  chromium: 'chromium',
  'rtpengine-daemon': 'rtpengine',
  python3: 'python3',
};

/** Kamailio's modules for the benches, which no test uses. */
const fileOfPackage = {
  'kamailio-tls-modules': 'tls.so',
  'kamailio-websocket-modules': 'websocket.so',
};

/** Installs what is missing where that is allowed; returns the packages that are missing all the same. */
export function ensureDebianPackages(wanted = Object.keys(commandOfPackage)) {
  const missing = missingPackages(wanted);
  if (missing.length === 0 || process.getuid?.() !== 0 || !onPath('apt-get')) return missing;
  process.stderr.write(`tibet-sip: installing ${missing.join(' ')} …\n`);
  if (!aptGet('install', '-y', '--no-install-recommends', ...missing)) {
    aptGet('update');
    aptGet('install', '-y', '--no-install-recommends', ...missing);
  }
  return missingPackages(wanted);
}

export function installLine(packages) {
  return `sudo apt-get install --no-install-recommends ${packages.join(' ')}`;
}

function missingPackages(wanted) {
  return wanted.filter((name) =>
    name in fileOfPackage
      ? globSync(`/usr/lib/*/kamailio/modules/${fileOfPackage[name]}`).length === 0
      : !onPath(commandOfPackage[name]),
  );
}

function aptGet(...args) {
  const result = spawnSync('apt-get', ['-q', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    // Standard output belongs to the test report.
    stdio: ['ignore', 2, 2],
  });
  return result.status === 0;
}

function onPath(command) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
