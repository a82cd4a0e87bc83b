import { X509Certificate } from 'node:crypto';
import { accessSync, constants, readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Command } from 'commander';
import { createLogger, makeDirectories } from '../base/index.ts';
import { type Config, formatListenAddress, formatWebAddress, type ListenAddress } from '../config/index.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { exitCodes } from './exit-codes.ts';
import { CliError, codeOf } from './failure.ts';
import { paceHeapGrowth } from './heap-growth.ts';
import type { Terminal } from './terminal.ts';

/** One Ctrl-C can arrive twice, from the terminal and from npm: signals this close together are one. */
const sameSignalMs = 500;

/**
 * When V8 gives back what a load has left behind, half of it the room for young objects: so long after a full collection,
 * if it is quiet then. V8's own choice is 30 s, and a morning's registrations stay resident until somebody calls for the
 * next one (docs/performance.md).
 */
const memoryReducerDelayMs = 8_000;

/**
 * After how many calls of a function V8 compiles it, and compiles it well. Most functions of a gateway run once or a few
 * times for each call: with V8's own 400 and 3,000 many of them are still not compiled well after 20,000 calls
 * (docs/performance.md).
 */
const compiledAfter = { maglev: 100, turbofan: 600 };

export function registerServe(program: Command, terminal: Terminal): void {
  addCommand(program, {
    usage: 'serve',
    summary: 'run the gateway until SIGINT or SIGTERM',
    example: 'serve --config config/default.yaml --set log.level=warn',
  }).action(async (options: CommonOptions) => {
    paceHeapGrowth();
    setFlagsFromString(`--gc-memory-reducer-start-delay-ms=${memoryReducerDelayMs}`);
    setFlagsFromString(`--invocation-count-for-maglev=${compiledAfter.maglev}`);
    setFlagsFromString(`--invocation-count-for-turbofan=${compiledAfter.turbofan}`);
    const { config, output } = openContext(terminal, options);
    const loaded = config();
    prepareMachine(loaded);
    // Loaded late: every other command starts faster without the gateway's parts.
    const { createGateway } = await import('../gateway/index.ts');
    const logger = createLogger(loaded.log.level);
    const gateway = createGateway({ config: loaded, logger });
    const stopped = untilStopped(terminal);
    const addresses = await gateway.start().catch(async (error: unknown) => {
      // What had opened before the failure would keep the process alive.
      await gateway.close();
      throw error;
    });
    collectGarbage();
    const urls = [
      ...addresses.listen.map(formatListenAddress),
      ...(addresses.admin ? [formatWebAddress(addresses.admin)] : []),
      ...(addresses.realm ? [addresses.realm] : []),
      ...(addresses.overlay ? [formatWebAddress(addresses.overlay)] : []),
    ];
    if (output.json) output.jsonLine({ ready: true, domain: loaded.domain, addresses: urls });
    else {
      output.text(`ready ${urls.join(' ')}`);
      output.text(whatToTry(addresses.listen, options));
    }
    // Without TLS there is nothing to reload, and a hangup ends the gateway with its terminal.
    const stopReloading =
      loaded.tls &&
      terminal.onHangup(() => {
        // What is wrong with the files stands in the log; the gateway goes on with the certificates that it has.
        gateway.reloadCertificates().catch((error: unknown) => {
          logger.error({ error: String(error) }, 'certificates were not loaded again');
        });
      });
    await stopped;
    stopReloading?.();
    output.note('draining; a second signal ends it at once');
    await gateway.close();
  });
}

/**
 * What loading the program has left behind, and with it the limit to which V8 has let the heap grow meanwhile: some runs
 * kept one of four times the heap. Once, before anybody hears that the gateway is ready.
 */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
}

/** Resolves at the first signal; a later one ends the process without waiting for anything. */
function untilStopped(terminal: Terminal): Promise<void> {
  return new Promise((resolve) => {
    let firstAtMs: number | undefined;
    terminal.onSignal(() => {
      if (firstAtMs === undefined) {
        firstAtMs = performance.now();
        resolve();
      } else if (performance.now() - firstAtMs > sameSignalMs) process.exit(exitCodes.forced);
    });
  });
}

/** What only this machine can tell, found before a socket opens. */
function prepareMachine(config: Config): void {
  try {
    makeDirectories(config.dataDir, 0o700);
    accessSync(config.dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new CliError(
      'storage',
      `dataDir ${config.dataDir} cannot be written (${codeOf(error)})`,
      'make it writable, or choose another with --data-dir',
      { cause: error },
    );
  }
  for (const [key, file] of tlsFiles(config)) checkFile(key, file);
}

/** Of authorities OpenSSL passes over what is no certificate, and would then trust nobody. */
function checkFile(key: string, file: string): void {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new CliError('storage', `${key}: ${file} cannot be read (${codeOf(error)})`, undefined, {
      cause: error,
    });
  }
  if (!key.endsWith('.ca')) return;
  try {
    new X509Certificate(bytes);
  } catch (error) {
    throw new CliError('config', `${key}: there is no certificate in ${file}`, 'it must be a PEM file', {
      cause: error,
    });
  }
}

/** Each with its key in the configuration. */
function tlsFiles({ tls, overlay, federation }: Config): readonly (readonly [key: string, file: string])[] {
  const files: readonly (readonly [key: string, file: string | undefined])[] = [
    ['tls.cert', tls?.cert],
    ['tls.key', tls?.key],
    ...(tls?.certificates ?? []).flatMap(
      ({ cert, key }, index) =>
        [
          [`tls.certificates[${index}].cert`, cert],
          [`tls.certificates[${index}].key`, key],
        ] as const,
    ),
    ['tls.ca', tls?.ca],
    ['overlay.tls.ca', overlay.tls.ca],
    ['overlay.tls.cert', overlay.tls.cert],
    ['overlay.tls.key', overlay.tls.key],
    ['federation.ca', federation.ca],
  ];
  return files.flatMap(([key, file]) => (file === undefined ? [] : [[key, file] as const]));
}

function whatToTry(listen: readonly ListenAddress[], options: CommonOptions): string {
  const ws = listen.find(({ transport }) => transport === 'ws' || transport === 'wss');
  // In a checkout this file is TypeScript and the command is an npm script; installed, it is on the path.
  const cli = import.meta.filename.endsWith('.ts') ? 'npm run -s tibet-sip --' : 'tibet-sip';
  const config = options.config === undefined ? '' : ` --config ${options.config}`;
  const same = options.dataDir === undefined ? config : `${config} --data-dir ${options.dataDir}`;
  const phone = `${cli} identity new --name jis:alice --out alice.json && ${cli} phone --identity alice.json`;
  return [
    ...(ws ? [`  a phone:      ${phone} --gateway ${formatListenAddress(ws)}`] : []),
    `  a desk phone: ${cli} device add jis:desk-7 --extension 1007${same}`,
    `  the record:   ${cli} audit list${same}`,
  ].join('\n');
}
