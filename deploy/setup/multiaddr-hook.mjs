// Preloaded into the official node (`node --import`): its npm tree holds two versions of @multiformats/multiaddr, and with p2p on it dies
// with ERR_NO_VALID_ADDRESSES because an address made by one is unknown to the other. Here everybody gets the version that libp2p itself
// resolves. Only @multiformats/dns keeps its own, which it needs.
// OFFICIAL_MODULES: the node_modules folder of the official installation.
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

const shared = '@multiformats/multiaddr';
const importer = pathToFileURL(`${process.env.OFFICIAL_MODULES}/libp2p/dist/src/index.js`).href;

function isShared(specifier) {
  return specifier === shared || specifier.startsWith(`${shared}/`);
}

registerHooks({
  resolve(specifier, context, nextResolve) {
    if (!isShared(specifier) || context.parentURL?.includes('/@multiformats/dns/')) {
      return nextResolve(specifier, context);
    }
    return nextResolve(specifier, { ...context, parentURL: importer });
  },
});
