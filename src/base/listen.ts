/** The part of an HTTP server that is needed to start it. */
export interface HttpListener {
  listen(address: { readonly host: string; readonly port: number }): Promise<unknown>;
  readonly server: { address(): { readonly port: number } | string | null };
}

/** Starts a server; resolves with the port that it serves, rejects with the system's error when it cannot listen. */
export async function listen(
  listener: HttpListener,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<number> {
  await listener.listen({ host, port });
  const address = listener.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}
