export { type Candidate, chooseBest } from './best-response.ts';
export * from './flow-token.ts';
export type { ProxyTransactions } from './forwarder.ts';
export * from './in-dialog.ts';
export { MergedRequests } from './merged-requests.ts';
export * from './policy.ts';
export * from './proxy-core.ts';
export type { ProxyAddress } from './record-route.ts';
export { statelessTag } from './stateless-tag.ts';
