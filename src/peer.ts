/** Who is at the other end. */
export interface Peer {
  /** Its socket address, such as `192.0.2.7:50123` or `[2001:db8::7]:50123`. */
  readonly address: string;
  /** Its X25519 public key, which it has proved to have: 52 characters of base32. */
  readonly publicKey: string;
  /** The fingerprint of its public key: compare it over the phone when in doubt. */
  readonly fingerprint: string;
  /** The label it chose for itself. Anyone can choose any; escape it before showing it. */
  readonly name: string;
}
