export * from './gateway.ts';
export { defaultRegEventLimits } from './reg-event.ts';
