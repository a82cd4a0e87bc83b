export * from './admin-server.ts';
export * from './metrics.ts';
export { OverlayApi, type OverlayApiOptions } from './overlay-api.ts';
