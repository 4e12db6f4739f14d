// The client of npm's `ws` against our server, which echoes (service/websocket_echo.lua): ws_client.js URL.
const WebSocket = require('ws')
const assert = require('assert')

const url = process.argv[2]
const sizes = [0, 1, 125, 126, 255, 256, 65535, 65536, 200000]

function open (options, protocols = []) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, protocols, { rejectUnauthorized: false, ...options })
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
  })
}

function next (socket, event) {
  return new Promise(resolve => socket.once(event, (...values) => resolve(values)))
}

async function echoes (socket) {
  for (const size of sizes) {
    for (const binary of [false, true]) {
      const bytes = Buffer.from('abc '.repeat(size / 4 + 1).slice(0, size))
      socket.send(binary ? bytes : bytes.toString(), { binary })
      const [message, isBinary] = await next(socket, 'message')
      assert.strictEqual(isBinary, binary)
      assert(message.equals(bytes), `${size} bytes`)
    }
  }
}

async function fragments (socket) {
  const pong = next(socket, 'pong')
  socket.send('he', { fin: false })
  socket.send('l', { fin: false })
  socket.ping('between')
  socket.send('lo', { fin: true })
  assert.strictEqual((await next(socket, 'message'))[0].toString(), 'hello')
  assert.strictEqual((await pong)[0].toString(), 'between')
}

async function closings (options) {
  let socket = await open(options)
  socket.close(1000, 'bye')
  assert.strictEqual((await next(socket, 'close'))[0], 1000)
  socket = await open(options)
  socket.send('close me')
  const [code, reason] = await next(socket, 'close')
  assert.deepStrictEqual([code, reason.toString()], [3000, 'as asked'])
  socket = await open(options)
  socket.on('error', () => {}) // our close frame comes while it still sends
  socket.send('x'.repeat(300000))
  assert.strictEqual((await next(socket, 'close'))[0], 1009)
}

async function main () {
  const window = { serverNoContextTakeover: false, clientMaxWindowBits: 10, serverMaxWindowBits: 9, threshold: 0 }
  for (const perMessageDeflate of [false, true, { threshold: 0 }, window]) {
    const socket = await open({ perMessageDeflate })
    console.log(`extensions: ${socket.extensions}`)
    await echoes(socket)
    await fragments(socket)
    socket.terminate()
    await closings({ perMessageDeflate })
  }
  const socket = await open({}, ['other', 'chat'])
  assert.strictEqual(socket.protocol, 'chat')
  socket.terminate()
  console.log('all is well')
}

main().catch(error => {
  console.error(error)
  process.exit(1)
})
