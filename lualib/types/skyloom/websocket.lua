---@meta skyloom.websocket

--- The codec of http.websocket: bytes to messages, messages to frames.
local codec = {}

---@alias skyloom.websocket.policy "none"|"no_takeover"|"takeover" of permessage-deflate

---@class skyloom.websocket.connection
local connection = {}

---@param bytes string of the socket
function connection:feed(bytes) end

--- The next message: its kind and payload, of a close frame reason and code (1005 without one). nil: more
--- bytes are needed. false, and code and reason of the failure: the stream can't go on.
---@return "text"|"binary"|"ping"|"pong"|"close"|false|nil kind
---@return string|integer payload_or_code
---@return integer|string|nil code_or_reason
function connection:next() end

--- Raises for what must not be sent.
---@param kind "text"|"binary"|"ping"|"pong"|nil nil: text, if the payload is UTF-8, or binary
---@param payload string
---@param mask? string 4 bytes, of a client; default: random ones
---@return string frame
function connection:frame(kind, payload, mask) end

---@param code? integer
---@param reason? string at most 123 bytes of UTF-8
---@return string frame
function connection:close_frame(code, reason) end

function connection:release() end

---@param key string Sec-WebSocket-Key
---@return string|nil accept nil: the key is not 16 bytes in base64
function codec.accept_key(key) end

---@return string key
function codec.new_key() end

--- Whether a comma-separated list has this token (in lower case), whatever its case there.
---@param list string
---@param token string
---@return boolean
function codec.has_token(list, token) end

---@param policy skyloom.websocket.policy
---@return string offer Sec-WebSocket-Extensions of a client; "": none
function codec.offer(policy) end

---@param message_bytes_max integer
---@param offered string Sec-WebSocket-Extensions of the client
---@param policy? skyloom.websocket.policy
---@return skyloom.websocket.connection|nil connection nil: the offer is malformed
---@return string answer Sec-WebSocket-Extensions of the answer; or the reason
function codec.server(message_bytes_max, offered, policy) end

---@param message_bytes_max integer
---@param bytes string of the server's answer, so far
---@param key string of our request
---@param policy? skyloom.websocket.policy
---@return skyloom.websocket.connection|false|nil connection nil: more bytes are needed; false: refused
---@return integer|string size_or_reason bytes of the answer's header
---@return string|nil protocol
function codec.client(message_bytes_max, bytes, key, policy) end

return codec
