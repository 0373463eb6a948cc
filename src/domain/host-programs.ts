/** Of which files in `src/host/` each program's text is made, in order: the libraries that it needs, and no other. */
import type { HostOrder } from './host-order.ts';

const CHANGE = ['lib.sh', 'lib-change.sh'];
/** Tell what the host will do by itself, or has done. */
const ARMED = [...CHANGE, 'lib-armed.sh'];
/** And change that. */
const ARM = [...ARMED, 'lib-arm.sh'];
const SERVICE = ['lib.sh', 'lib-service.sh'];

export const HOST_PROGRAM_FILES: Readonly<Record<HostOrder['program'], readonly string[]>> = {
  look: [...ARMED, 'look.sh'],
  upgrade: [...ARM, 'upgrade.sh'],
  revert: [...ARM, 'revert.sh'],
  prove: [...ARMED, 'prove.sh'],
  confirm: [...ARM, 'confirm.sh'],
  collect: ['lib.sh', 'collect.sh'],
  probe: ['lib.sh', 'probe.sh'],
  status: [...SERVICE, 'status.sh'],
  service: [...SERVICE, 'service.sh'],
  install: [...CHANGE, 'lib-service.sh', 'install.sh'],
  remove: [...CHANGE, 'lib-service.sh', 'remove.sh'],
};

/**
 * The program that a program leaves on the host, by its own file: an upgrade brings along what an armed host goes back with. Its
 * libraries must be those of the program that brings it, so that they are sent once.
 */
export const BROUGHT_ALONG: Readonly<Partial<Record<HostOrder['program'], string>>> = {
  upgrade: 'revert.sh',
};
