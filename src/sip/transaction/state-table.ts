/**
 * What a transaction does on one input: the state that follows and the actions of its runner, in order.
 * The transaction user comes last, so that whatever it does finds the transaction in its new state.
 */
export interface Step<State extends string, Action extends string> {
  readonly state: State;
  readonly actions: readonly Action[];
}

/**
 * A transaction machine as data. An input that a state does not name changes nothing: late timers and
 * stray messages are part of SIP's normal life. The steps are shared constants: running one allocates nothing.
 */
export interface StateTable<State extends string, Input extends string, Action extends string> {
  readonly start: Step<State, Action>;
  readonly rows: Readonly<Record<State, Readonly<Partial<Record<Input, Step<State, Action>>>>>>;
}
