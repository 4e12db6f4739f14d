// Node's server of TLS that wants certificates: tls_server.js FOLDER VERSION. It answers a line with the name that was
// asked for, the one of the client's certificate, and what it thinks of it. Says "port N".
const fs = require('fs');
const tls = require('tls');

const [folder, version] = process.argv.slice(2);
const read = (name) => fs.readFileSync(`${folder}/${name}`);
const identity = (name) => ({ cert: read(`${name}.crt`), key: read(`${name}.key`) });

const server = tls.createServer({ ...identity('good'), ca: read('authority.crt'), requestCert: true,
  rejectUnauthorized: false, minVersion: version, maxVersion: version }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', () => socket.end(`${socket.servername} ${socket.getPeerCertificate().subject?.CN} ${
    socket.authorized || socket.authorizationError}\n`));
});
server.addContext('a.test', { ...identity('a.test'), ca: read('authority.crt') });
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
