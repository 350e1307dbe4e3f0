// Drives the official HA signer: node official.mjs NODE_MODULES DATABASE_URL...
// Reads orders {database, callers, millis}, one JSON a line; answers {spent_us, elapsed_us}, the time of every signWithProtection.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [modules, ...urls] = process.argv.slice(2);
const { resolve } = createRequire(`${modules}/@aztec/validator-ha-signer/package.json`);
const official = name => import(pathToFileURL(resolve(name)));
const { createHASigner } = await official('@aztec/validator-ha-signer/factory');
const { runMigrations } = await official('@aztec/validator-ha-signer/migrations');
const { DutyType } = await official('@aztec/validator-ha-signer/types');
const { EthAddress } = await official('@aztec/foundation/eth-address');
const { Buffer32 } = await official('@aztec/foundation/buffer');
const { Secp256k1Signer } = await official('@aztec/foundation/crypto/secp256k1-signer');

// As many attesters as the other side has, and its defaults everywhere.
const attesters = Array.from({ length: 500 }, (_, at) => new Secp256k1Signer(Buffer32.fromBigInt(BigInt(at + 1))));
const signers = [];
for (const databaseUrl of urls) {
  await runMigrations(databaseUrl);
  const { signer } = await createHASigner({
    databaseUrl,
    haSigningEnabled: true,
    nodeId: 'bench',
    l1Contracts: { rollupAddress: EthAddress.fromString(`0x${'cc'.repeat(20)}`) },
    pollingIntervalMs: 100,
    signingTimeoutMs: 3000,
  });
  await signer.start();
  signers.push({ signer, next: 0 });
}

const call = async (target, until, spent) => {
  while (performance.now() < until) {
    const number = target.next++;
    const attester = attesters[number % attesters.length];
    const slot = 10 + Math.floor(number / attesters.length);
    const message = Buffer32.fromBigInt(BigInt(number + 1));
    const context = { slot, blockNumber: slot, dutyType: DutyType.ATTESTATION };
    const started = performance.now();
    await target.signer.signWithProtection(attester.address, message, context, hash => Promise.resolve(attester.signMessage(hash)));
    spent.push(Math.round((performance.now() - started) * 1000));
  }
};

console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const { database, callers, millis } = JSON.parse(line);
  const spent_us = [];
  const started = performance.now();
  await Promise.all(Array.from({ length: callers }, () => call(signers[database], started + millis, spent_us)));
  console.log(JSON.stringify({ spent_us, elapsed_us: Math.round((performance.now() - started) * 1000) }));
}
process.exit(0);
