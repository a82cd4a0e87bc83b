import { formatWebAddress, type WebAddress } from '../config/index.ts';
import { CliError } from './failure.ts';

const answerTimeoutMs = 5_000;

/** Asks the running gateway; `admin` is its configured address or a URL. Throws CliError `unavailable`. */
export async function askAdmin(admin: WebAddress | string | undefined, path: string): Promise<unknown> {
  if (admin === undefined)
    throw new CliError(
      'unavailable',
      'the configuration has admin.listen off',
      'a gateway without it cannot be asked',
    );
  const base = typeof admin === 'string' ? admin : formatWebAddress(reachable(admin));
  let response: Response;
  try {
    response = await fetch(new URL(path, base), { signal: AbortSignal.timeout(answerTimeoutMs) });
  } catch (error) {
    throw new CliError(
      'unavailable',
      `no gateway answers at ${base}`,
      'start one with "tibet-sip serve", or say where it is with --admin URL',
      { cause: error },
    );
  }
  if (!response.ok)
    throw new CliError('unavailable', `${base} answered ${response.status} ${response.statusText}`);
  return response.json();
}

/** A gateway that listens on every address is asked on the loopback one. */
function reachable({ host, port }: WebAddress): WebAddress {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  return { host: host === '::' ? '::1' : host, port };
}
