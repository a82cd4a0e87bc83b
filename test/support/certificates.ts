import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateRequest {
  readonly commonName: string;
  /** As openssl writes them: `DNS:a.example`, `URI:sip:alice@a.example`, `IP:127.0.0.1`. */
  readonly altNames?: readonly string[];
}

/** A throw-away authority with its files in a directory of its own. */
export class TestAuthority {
  /** The authority's own certificate. */
  readonly ca: string;
  readonly #directory: string;
  readonly #key: string;
  #serial = 0;

  constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'tibet-sip-certificates-'));
    this.ca = join(this.#directory, 'ca.pem');
    this.#key = join(this.#directory, 'ca.key');
    openssl('req', '-x509', ...newKey, '-subj', '/CN=Test Authority', '-keyout', this.#key, '-out', this.ca);
  }

  /** A certificate of this authority in new files. */
  issue(request: CertificateRequest): CertificateFiles {
    const name = join(this.#directory, String(++this.#serial));
    const files = { cert: `${name}.pem`, key: `${name}.key` };
    const { commonName, altNames = [] } = request;
    const extensions = altNames.length === 0 ? [] : ['-addext', `subjectAltName=${altNames.join(',')}`];
    const authority = ['-CA', this.ca, '-CAkey', this.#key];
    openssl(
      ...['req', '-x509', ...newKey, ...authority, '-subj', `/CN=${commonName}`, ...extensions],
      ...['-addext', 'basicConstraints=critical,CA:FALSE', '-keyout', files.key, '-out', files.cert],
    );
    return files;
  }

  /** The files of `target` get what stands in those of `source`. */
  replace(target: CertificateFiles, source: CertificateFiles): void {
    writeFileSync(target.cert, readFileSync(source.cert));
    writeFileSync(target.key, readFileSync(source.key));
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
