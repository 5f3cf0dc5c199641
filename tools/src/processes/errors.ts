import { CodedError } from '@bulk/domain';

/** Thrown when a service has ended by itself. The message has the last lines of its log. */
export class ServiceDiedError extends CodedError {
  constructor(name: string, how: string, logTail: string) {
    super('SERVICE_DIED', `${name} has ended by itself (${how})${logTail === '' ? '' : `:\n${logTail}`}`);
  }
}

/** Thrown when a service is not ready in time. The message says what it waits for. */
export class ServiceNotReadyError extends CodedError {
  constructor(name: string, timeoutMs: number, reason: string, logTail: string) {
    const tail = logTail === '' ? '' : `:\n${logTail}`;
    super('SERVICE_NOT_READY', `${name} was not ready after ${timeoutMs / 1000} s (${reason})${tail}`);
  }
}

/** Thrown when a port that was requested by number is not free. */
export class PortTakenError extends CodedError {
  constructor(variable: string, port: number) {
    super('PORT_TAKEN', `${variable}=${port}: another process listens there; choose another or stop it`);
  }
}

/** Thrown when the variable of a port holds no port. */
export class InvalidPortError extends CodedError {
  constructor(variable: string, value: string) {
    super('INVALID_PORT', `${variable}="${value}": expected a port, a whole number from 1 to 65535`);
  }
}

/** Thrown when a service must run from its production build and has none. */
export class NotBuiltError extends CodedError {
  constructor(name: string) {
    super('NOT_BUILT', `services/${name}/dist/main.js is not there; fix it with: npm run build`);
  }
}
