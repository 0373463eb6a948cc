/**
 * What programs of an embedded host find on their PATH: the stand-ins, and the machine's own tools without those that would change
 * the machine itself.
 *
 * T1  The machine's dpkg, systemctl and the like are not on that PATH at all: a stand-in that is missing is a command that is not
 *     found, never the machine's own, which as root would install a made-up agent here.
 */
import { access, constants, mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const STAND_INS = fileURLToPath(new URL('./bin', import.meta.url));

/** Every one must be there. */
const STOOD_IN_FOR = ['apt-get', 'dpkg', 'dpkg-query', 'service', 'sudo', 'systemctl', 'update-rc.d'];

/** Never on the PATH. What else these packages bring begins with the same words. */
const KEPT_AWAY =
  /^(?:apt|aptitude|dpkg|deb-|systemctl|systemd|service$|update-rc\.d$|invoke-rc\.d$|sudo|su$|doas$|pkexec$|init$|shutdown$|reboot$|poweroff$|halt$)/;

/** Makes `folder` anew, a link for each tool, and gives the PATH; rejects where a stand-in is missing. */
export async function layTools(folder: string, path: string, standIns = STAND_INS): Promise<string> {
  for (const name of STOOD_IN_FOR) {
    await access(join(standIns, name), constants.X_OK).catch(() => {
      throw new Error(`the stand-in ${join(standIns, name)} is missing: this installation is not whole`);
    });
  }
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const laid = new Set<string>();
  for (const from of path.split(delimiter)) {
    if (!from.startsWith('/')) continue;
    for (const name of await readdir(from).catch(() => [])) {
      if (laid.has(name) || KEPT_AWAY.test(name)) continue;
      laid.add(name);
      await symlink(join(from, name), join(folder, name));
    }
  }
  return `${standIns}${delimiter}${folder}`;
}
