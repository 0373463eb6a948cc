/** What a package may cost to read. Generous for an agent (osquery: 20 MB packed, 80 MB unpacked), deadly for a bomb. */
export interface DebLimits {
  /** Bytes of the whole file. */
  readonly fileBytes: number;
  /** Unpacked bytes of control.tar in all; maintainer scripts and md5sums are in it. */
  readonly controlBytes: number;
  /** Bytes of the control file itself. */
  readonly controlFileBytes: number;
  /** Unpacked bytes of data.tar in all. */
  readonly dataBytes: number;
  /** Entries of one tar. */
  readonly entries: number;
  /** Bytes of all names and link targets of one tar together: these are held in memory. */
  readonly nameBytes: number;
  /** Unpacked by packed bytes of a member; looked at only above `ratioFreeBytes`. */
  readonly ratio: number;
  /** Unpacked bytes that need not keep the ratio: a small file may well pack a thousandfold. */
  readonly ratioFreeBytes: number;
}

const MIB = 1024 * 1024;

export const DEB_LIMITS: DebLimits = {
  fileBytes: 2048 * MIB,
  controlBytes: 16 * MIB,
  controlFileBytes: MIB,
  dataBytes: 2048 * MIB,
  entries: 200_000,
  nameBytes: 32 * MIB,
  ratio: 200,
  ratioFreeBytes: 64 * MIB,
};
