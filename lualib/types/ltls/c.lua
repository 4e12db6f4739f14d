---@meta ltls.c

--- TLS over strings: http.tlshelper joins it to sockets. Failures are raised as texts that begin with "tls".
local ltls = {}

--- Certificates, authorities and sessions of one side. Changes are for the connections that follow.
---@class ltls.context
local context = {}

--- What a server shows, and a client that is asked who it is. With a name: what a server shows to those
--- who ask for it (SNI), in this order: the name itself, "*." and its domain, the certificate without a name,
--- the first one. Replaces what was set for the same name. Raises, and changes nothing, when a file can't be
--- read, the key is another one's, the name is none, or 1000 names have certificates.
---@param certfile string PEM, the chain behind the certificate
---@param keyfile string PEM, not encrypted
---@param name? string a host, or "*.domain" for the hosts right below it
function context:set_cert(certfile, keyfile, name) end

--- A server asks its clients for certificates of these authorities, and trusts no others. Connections are not
--- resumed then: each client is verified each time. A client that is refused hears the reason as an alert: over
--- TLS 1.3 behind its handshake, so its first read raises it.
---@param file string PEM
---@param mode? "required"|"optional" "required" by default; "optional": without a certificate, too
function context:set_client_ca(file, mode) end

--- Reads all files again that the other functions were given. Raises, and changes nothing, when one is bad.
function context:reload() end

---@param list string ciphers of TLS 1.2, as openssl writes them
function context:set_ciphers(list) end

---@param file string PEM: trusted instead of the system's authorities
function context:set_ca(file) end

---@param mode "peer"|"none" "none": clients take anybody for their server
function context:set_verify(mode) end

---@param names string[] protocols (ALPN), the favourite first; a server refuses clients with none of them
function context:set_alpn(names) end

--- One connection.
---@class ltls.session
local session = {}

---@param input? string what the socket has given
---@return string|nil output to be sent
function session:handshake(input) end

---@return boolean is_finished the handshake
function session:finished() end

---@param input? string
---@return string plain maybe empty
function session:read(input) end

---@param plain? string without it: what TLS has to say by itself, an alert after a failure among it
---@return string output maybe empty
function session:write(plain) end

--- For clients, before the handshake: the name or IP address that is told and verified.
---@param name string
function session:set_ext_host_name(name) end

---@return string output the goodbye; nothing may be written after it
function session:finish() end

---@return boolean has_ended the peer has said goodbye
function session:ended() end

--- `peer`: whom the verified certificate of the other side names, as RFC 2253 writes it: "CN=anna,O=players".
---@return {version: string, alpn: string?, server_name: string?, resumed: boolean, peer: string?}
function session:info() end

--- Frees it.
function session:close() end

---@return ltls.context
function ltls.newctx() end

---@param method "client"|"server"
---@param context ltls.context
---@param hostname? string of the server, on the client's side
---@return ltls.session
function ltls.newtls(method, context, hostname) end

return ltls
