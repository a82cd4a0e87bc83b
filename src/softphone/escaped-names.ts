/**
 * Escapes the colons in user parts that SIP.js has unescaped: it writes `laptop%3Ajasper` as `laptop:jasper`, which
 * is the user `laptop` with a password, and so somebody else. Looks at From, To and, outside of a dialog, the
 * Request-URI of a request that SIP.js has written; `sip:user:password@` is not used by this phone.
 */
export function escapeNames(request: string): string {
  const headEnd = request.indexOf('\r\n\r\n');
  if (headEnd < 0) return request;
  const lines = request.slice(0, headEnd).split('\r\n');
  const inDialog = lines.some((line) => line.startsWith('To: ') && line.includes(';tag='));
  const escaped = lines.map((line, index) =>
    (index === 0 && !inDialog) || line.startsWith('From: ') || line.startsWith('To: ')
      ? line.replace(
          /(\bsips?:)([^\s<>;?@]+)(?=@)/,
          (_, scheme: string, user: string) => scheme + user.replaceAll(':', '%3A'),
        )
      : line,
  );
  return escaped.join('\r\n') + request.slice(headEnd);
}
