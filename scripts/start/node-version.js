'use strict';
// Ends the process with one sentence on a Node that cannot run the gateway. Required before anything else, and written for
// any Node there ever was: an old one must understand it.

var parts = process.versions.node.split('.').map(Number);
var major = parts[0];
var minor = parts[1];

// From there on CommonJS can require the ES modules that Nest consists of.
if (!((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22)) {
  process.stderr.write('Node 20.19, or 22.12 or newer, is needed; this is ' + process.versions.node + '.\n');
  process.exit(1);
}
