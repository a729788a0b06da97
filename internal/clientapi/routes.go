package clientapi

import (
	"net/http"
	"strings"

	"despatch/internal/httpd"
)

type route struct {
	method  string
	paths   []string
	handler http.Handler
}

// open is a route that anybody may call.
func open[Req, Resp any](s *Server, spec string, h func(*http.Request, *Req) (*Resp, error), opts ...httpd.Option) route {
	return at(spec, httpd.JSON(s.HTTP, h, opts...))
}

// signedIn is a route for those who are signed in.
func signedIn[Req, Resp any](s *Server, spec string, h func(*http.Request, session, *Req) (*Resp, error), opts ...httpd.Option) route {
	return at(spec, httpd.JSONAs(s.HTTP, s.caller, func(r *http.Request, x session, req *Req) (*Resp, error) {
		if x.Via != "" {
			var err error
			if r, err = s.asBridge(r, x, req); err != nil {
				return nil, err
			}
		}
		resp, err := h(r, x, req)
		return resp, refusal(err)
	}, opts...))
}

// acting is a route for those who are signed in and not suspended: it says or changes something that others see.
func acting[Req, Resp any](s *Server, spec string, h func(*http.Request, session, *Req) (*Resp, error), opts ...httpd.Option) route {
	return signedIn(s, spec, func(r *http.Request, x session, req *Req) (*Resp, error) {
		if x.Suspended() {
			return nil, suspendedError()
		}
		return h(r, x, req)
	}, opts...)
}

func suspendedError() error {
	return httpd.UserSuspended("Your account is suspended: you can read, and sign out, and nothing else. Ask the IT desk.")
}

// at reads "METHOD path". Everything under v3 is there under r0 too: older clients know only that.
func at(spec string, h http.Handler) route {
	method, path, _ := strings.Cut(spec, " ")
	rt := route{method, []string{path}, h}
	if strings.Contains(path, "/v3/") {
		rt.paths = append(rt.paths, strings.Replace(path, "/v3/", "/r0/", 1))
	}
	return rt
}

// Patterns lists what the API answers, as "METHOD /path/{name}", without the older names of paths: for the test that
// every route has a conversation.
func (s *Server) Patterns() []string {
	var out []string
	for _, rt := range s.routes() {
		out = append(out, rt.method+" "+rt.paths[0])
	}
	return out
}

// routes is the API in the order of the specification's chapters.
func (s *Server) routes() []route {
	const client, rooms = "/_matrix/client/v3/", "/_matrix/client/v3/rooms/{roomID}/"
	return []route{
		// Server discovery, versions and capabilities
		open(s, "GET /.well-known/matrix/client", s.wellKnown),
		open(s, "GET /_matrix/client/versions", s.versions),
		signedIn(s, "GET "+client+"capabilities", s.capabilities),

		// Client authentication
		open(s, "GET "+client+"login", s.loginFlows),
		open(s, "POST "+client+"login", s.login),
		open(s, "POST "+client+"register", s.register),
		open(s, "GET "+client+"register/available", s.available),
		open(s, "GET /_synapse/admin/v1/register", s.registrationNonce),
		open(s, "POST /_synapse/admin/v1/register", s.registerBySecret),
		open(s, "POST "+client+"refresh", s.refresh),
		signedIn(s, "POST "+client+"account/deactivate", s.deactivate),
		signedIn(s, "POST "+client+"logout", s.logout),
		signedIn(s, "POST "+client+"logout/all", s.logoutAll),
		signedIn(s, "GET "+client+"account/whoami", s.whoami),
		signedIn(s, "POST "+client+"account/password", s.changePassword),
		signedIn(s, "GET "+client+"account/3pid", s.threepids),

		// Filtering, syncing
		signedIn(s, "POST "+client+"user/{userID}/filter", s.createFilter),
		signedIn(s, "GET "+client+"user/{userID}/filter/{filterID}", s.filter),
		signedIn(s, "GET "+client+"sync", s.syncHandler),
		signedIn(s, "POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync", s.slidingSync),
		signedIn(s, "POST /_matrix/client/v4/sync", s.slidingSyncV4),

		// Getting events for a room
		signedIn(s, "GET "+rooms+"event/{eventID}", s.event),
		signedIn(s, "GET "+rooms+"joined_members", s.joinedMembers),
		signedIn(s, "GET "+rooms+"members", s.members),
		signedIn(s, "GET "+rooms+"state", s.state),
		signedIn(s, "GET "+rooms+"state/{type}", s.stateEvent),
		signedIn(s, "GET "+rooms+"state/{type}/{stateKey...}", s.stateEvent),
		signedIn(s, "GET "+rooms+"messages", s.messagesAndHistory),
		signedIn(s, "GET "+rooms+"context/{eventID}", s.context),
		signedIn(s, "GET /_matrix/client/v1/rooms/{roomID}/relations/{eventID}", s.relations),
		signedIn(s, "GET /_matrix/client/v1/rooms/{roomID}/relations/{eventID}/{relType}", s.relations),
		signedIn(s, "GET /_matrix/client/v1/rooms/{roomID}/relations/{eventID}/{relType}/{type}", s.relations),
		signedIn(s, "GET /_matrix/client/v1/rooms/{roomID}/threads", s.threads),
		signedIn(s, "GET /_matrix/client/v1/rooms/{roomID}/timestamp_to_event", s.timestampToEvent),

		// Sending events to a room, redactions
		acting(s, "PUT "+rooms+"send/{type}/{txnID}", s.send, httpd.Write),
		acting(s, "PUT "+rooms+"state/{type}", s.sendState, httpd.Write),
		acting(s, "PUT "+rooms+"state/{type}/{stateKey...}", s.sendState, httpd.Write),
		signedIn(s, "PUT "+rooms+"redact/{eventID}/{txnID}", s.redact, httpd.Write),

		// Rooms
		acting(s, "POST "+client+"createRoom", s.createRoom, httpd.Write),
		signedIn(s, "GET "+client+"directory/room/{alias}", s.alias),
		acting(s, "PUT "+client+"directory/room/{alias}", s.setAlias),
		acting(s, "DELETE "+client+"directory/room/{alias}", s.deleteAlias),
		signedIn(s, "GET "+rooms+"aliases", s.aliases),
		acting(s, "POST "+rooms+"upgrade", s.upgrade, httpd.Write),
		signedIn(s, "GET /_matrix/client/v1/rooms/{roomID}/hierarchy", s.hierarchy),
		signedIn(s, "GET /_matrix/client/v1/room_summary/{roomID}", s.roomSummary),
		signedIn(s, "GET /_matrix/client/unstable/im.nheko.summary/summary/{roomID}", s.roomSummary),
		signedIn(s, "GET /_matrix/client/unstable/im.nheko.summary/rooms/{roomID}/summary", s.roomSummary),
		signedIn(s, "GET /_matrix/client/v1/mutual_rooms", s.mutualRooms),
		signedIn(s, "GET "+client+"joined_rooms", s.joinedRooms),
		acting(s, "POST "+client+"join/{roomID}", s.join, httpd.Write),
		acting(s, "POST "+rooms+"join", s.join, httpd.Write),
		acting(s, "POST "+client+"knock/{roomID}", s.knock, httpd.Write),
		acting(s, "POST "+rooms+"invite", s.invite, httpd.Write),
		signedIn(s, "POST "+rooms+"leave", s.leave, httpd.Write),
		signedIn(s, "POST "+rooms+"forget", s.forget),
		acting(s, "POST "+rooms+"kick", s.kick, httpd.Write),
		acting(s, "POST "+rooms+"ban", s.ban, httpd.Write),
		acting(s, "POST "+rooms+"unban", s.unban, httpd.Write),
		open(s, "GET "+client+"directory/list/room/{roomID}", s.listing),
		acting(s, "PUT "+client+"directory/list/room/{roomID}", s.setListing),
		signedIn(s, "GET "+client+"publicRooms", s.publicRooms),
		signedIn(s, "POST "+client+"publicRooms", s.publicRooms),

		// User data
		signedIn(s, "POST "+client+"user_directory/search", s.searchPeople),
		signedIn(s, "POST "+client+"search", s.search),
		open(s, "GET "+client+"profile/{userID}", s.profile),
		open(s, "GET "+client+"profile/{userID}/{field}", s.profileField),
		acting(s, "DELETE "+client+"profile/{userID}/{field}", s.deleteProfileField),
		acting(s, "PUT "+client+"profile/{userID}/{field}", s.setProfileField),

		// Reporting, moderation, notices of the server
		signedIn(s, "POST "+rooms+"report", s.reportRoom),
		signedIn(s, "POST "+rooms+"report/{eventID}", s.reportEvent),
		signedIn(s, "POST "+client+"users/{userID}/report", s.reportUser),
		signedIn(s, "GET /_matrix/client/v1/admin/suspend/{userID}", s.suspended),
		signedIn(s, "PUT /_matrix/client/v1/admin/suspend/{userID}", s.suspend),
		signedIn(s, "GET /_matrix/client/v1/admin/lock/{userID}", s.locked),
		signedIn(s, "PUT /_matrix/client/v1/admin/lock/{userID}", s.lock),
		signedIn(s, "POST /_synapse/admin/v1/send_server_notice", s.sendNotice),
		signedIn(s, "PUT /_synapse/admin/v1/send_server_notice/{txnID}", s.sendNotice),

		// Modules
		signedIn(s, "PUT "+rooms+"typing/{userID}", s.typing),
		signedIn(s, "POST "+rooms+"receipt/{receiptType}/{eventID}", s.receipt),
		signedIn(s, "POST "+rooms+"read_markers", s.readMarkers),
		signedIn(s, "GET "+client+"presence/{userID}/status", s.presence),
		signedIn(s, "PUT "+client+"presence/{userID}/status", s.setPresence),
		signedIn(s, "GET "+client+"devices", s.devices),
		signedIn(s, "GET "+client+"devices/{deviceID}", s.device),
		signedIn(s, "PUT "+client+"devices/{deviceID}", s.nameDevice),
		signedIn(s, "DELETE "+client+"devices/{deviceID}", s.deleteDevice),
		signedIn(s, "POST "+client+"delete_devices", s.deleteDevices),
		acting(s, "PUT "+client+"sendToDevice/{type}/{txnID}", s.sendToDevice),
		signedIn(s, "GET "+client+"user/{userID}/account_data/{type}", s.accountData),
		signedIn(s, "PUT "+client+"user/{userID}/account_data/{type}", s.setAccountData),
		signedIn(s, "GET "+client+"user/{userID}/rooms/{roomID}/account_data/{type}", s.accountData),
		signedIn(s, "PUT "+client+"user/{userID}/rooms/{roomID}/account_data/{type}", s.setAccountData),
		signedIn(s, "GET "+client+"user/{userID}/rooms/{roomID}/tags", s.tags),
		signedIn(s, "PUT "+client+"user/{userID}/rooms/{roomID}/tags/{tag}", s.setTag),
		signedIn(s, "DELETE "+client+"user/{userID}/rooms/{roomID}/tags/{tag}", s.deleteTag),
		signedIn(s, "GET "+client+"pushrules/", s.pushRules),
		signedIn(s, "GET "+client+"pushrules", s.pushRules),
		signedIn(s, "GET "+client+"pushrules/global/", s.pushRulesGlobal),
		signedIn(s, "GET "+client+"pushrules/global/{kind}/{ruleID}", s.pushRule),
		signedIn(s, "PUT "+client+"pushrules/global/{kind}/{ruleID}", s.setPushRule),
		signedIn(s, "DELETE "+client+"pushrules/global/{kind}/{ruleID}", s.deletePushRule),
		signedIn(s, "GET "+client+"pushrules/global/{kind}/{ruleID}/enabled", s.pushRuleEnabled),
		signedIn(s, "PUT "+client+"pushrules/global/{kind}/{ruleID}/enabled", s.enablePushRule),
		signedIn(s, "GET "+client+"pushrules/global/{kind}/{ruleID}/actions", s.pushRuleActions),
		signedIn(s, "PUT "+client+"pushrules/global/{kind}/{ruleID}/actions", s.setPushRuleActions),
		signedIn(s, "GET "+client+"pushers", s.pushers),
		signedIn(s, "POST "+client+"pushers/set", s.setPusher),
		signedIn(s, "GET "+client+"voip/turnServer", s.turnServer),
		signedIn(s, "GET "+client+"thirdparty/protocols", s.protocols),
		signedIn(s, "GET "+client+"thirdparty/protocol/{protocol}", s.protocol),
		signedIn(s, "GET "+client+"thirdparty/location", s.thirdParty),
		signedIn(s, "GET "+client+"thirdparty/location/{protocol}", s.thirdParty),
		signedIn(s, "GET "+client+"thirdparty/user", s.thirdParty),
		signedIn(s, "GET "+client+"thirdparty/user/{protocol}", s.thirdParty),

		// End-to-end encryption: kept for clients, of no use in conversations that are on the record
		signedIn(s, "POST "+client+"keys/upload", s.uploadKeys),
		signedIn(s, "POST "+client+"keys/query", s.queryKeys),
		signedIn(s, "POST "+client+"keys/claim", s.claimKeys),
		signedIn(s, "GET "+client+"keys/changes", s.keyChanges),
		signedIn(s, "POST "+client+"keys/device_signing/upload", s.uploadSigningKeys),
		signedIn(s, "POST "+client+"keys/signatures/upload", s.uploadSignatures),
		signedIn(s, "GET "+client+"room_keys/version", s.backupVersion),
		signedIn(s, "POST "+client+"room_keys/version", s.createBackup),
		signedIn(s, "GET "+client+"room_keys/version/{version}", s.backupVersion),
		signedIn(s, "PUT "+client+"room_keys/version/{version}", s.updateBackup),
		signedIn(s, "DELETE "+client+"room_keys/version/{version}", s.deleteBackup),
		signedIn(s, "GET "+client+"room_keys/keys", s.backupKeys),
		signedIn(s, "PUT "+client+"room_keys/keys", s.putBackupKeys),
		signedIn(s, "DELETE "+client+"room_keys/keys", s.deleteBackupKeys),
		signedIn(s, "GET "+client+"room_keys/keys/{roomID}", s.backupRoomKeys),
		signedIn(s, "PUT "+client+"room_keys/keys/{roomID}", s.putBackupRoomKeys),
		signedIn(s, "DELETE "+client+"room_keys/keys/{roomID}", s.deleteBackupKeys),
		signedIn(s, "GET "+client+"room_keys/keys/{roomID}/{sessionID}", s.backupSessionKey),
		signedIn(s, "PUT "+client+"room_keys/keys/{roomID}/{sessionID}", s.putBackupSessionKey),
		signedIn(s, "DELETE "+client+"room_keys/keys/{roomID}/{sessionID}", s.deleteBackupKeys),

		// Content repository
		signedIn(s, "POST /_matrix/media/v1/create", s.promiseMedia),
		at("PUT /_matrix/media/v3/upload/{serverName}/{mediaID}", httpd.Func(s.HTTP, s.uploadPromised, httpd.MaxBody(s.Media.MaxUpload()+1))),
		signedIn(s, "GET /_matrix/client/v1/media/preview_url", s.linkPreview),
		signedIn(s, "GET /_matrix/media/v3/preview_url", s.linkPreview),
		at("POST /_matrix/media/v3/upload", httpd.Func(s.HTTP, s.upload, httpd.MaxBody(s.Media.MaxUpload()+1))),
		signedIn(s, "GET /_matrix/client/v1/media/config", s.mediaConfig),
		signedIn(s, "GET /_matrix/media/v3/config", s.mediaConfig),
		at("GET /_matrix/client/v1/media/download/{serverName}/{mediaID}", httpd.Func(s.HTTP, s.download)),
		at("GET /_matrix/client/v1/media/download/{serverName}/{mediaID}/{fileName}", httpd.Func(s.HTTP, s.download)),
		at("GET /_matrix/client/v1/media/thumbnail/{serverName}/{mediaID}", httpd.Func(s.HTTP, s.thumbnail)),
		at("GET /_matrix/media/v3/download/{serverName}/{mediaID}", httpd.Func(s.HTTP, s.download)),
		at("GET /_matrix/media/v3/download/{serverName}/{mediaID}/{fileName}", httpd.Func(s.HTTP, s.download)),
		at("GET /_matrix/media/v3/thumbnail/{serverName}/{mediaID}", httpd.Func(s.HTTP, s.thumbnail)),

		// Application services
		open(s, "POST /_matrix/client/v1/appservice/{serviceID}/ping", s.pingBridge),
		signedIn(s, "POST /_matrix/client/unstable/com.beeper.backfill/rooms/{roomID}/batch_send", s.bringIn, httpd.Write, httpd.MaxBody(maxBatchBody)),

		// What other servers ask; they have an address of their own too
		open(s, "GET /_matrix/federation/v1/version", s.federationVersion),
		open(s, "POST /_matrix/key/v2/query", s.serverKeys),
		open(s, "GET /_matrix/key/v2/server", s.serverKey),

		// Despatch's own, for its messenger
		signedIn(s, "GET /_despatch/v1/receipt/{roomID}/{eventID}", s.recordReceipt),

		// Despatch's own: what was said elsewhere, and what one owes of it
		signedIn(s, "POST /_despatch/v1/uploads", s.beginExport),
		at("PUT /_despatch/v1/uploads/{upload}", httpd.Func(s.HTTP, s.addExport)),
		signedIn(s, "DELETE /_despatch/v1/uploads/{upload}", s.dropExport),
		signedIn(s, "POST /_despatch/v1/capture/preview", s.previewCapture),
		signedIn(s, "POST /_despatch/v1/capture", s.capture, httpd.Write),
		signedIn(s, "GET /_despatch/v1/capture/{submission}", s.submission),
		signedIn(s, "POST /_despatch/v1/capture/{submission}/answers", s.answerCapture, httpd.Write),
		signedIn(s, "POST /_despatch/v1/capture/{submission}/about", s.stateAbout, httpd.Write),
		signedIn(s, "POST /_despatch/v1/notes", s.note, httpd.Write),
		signedIn(s, "GET /_despatch/v1/mine", s.mine),
		signedIn(s, "GET /_despatch/v1/mine/owed", s.owedByMe),
		signedIn(s, "POST /_despatch/v1/requests/{request}/submissions", s.handIn, httpd.Write),
		signedIn(s, "POST /_despatch/v1/requests/{request}/nothing", s.declareNothing, httpd.Write),
		signedIn(s, "POST /_despatch/v1/losses", s.declareLoss, httpd.Write),
		signedIn(s, "GET /_despatch/v1/mail", s.mailAddresses),
		signedIn(s, "POST /_despatch/v1/mail", s.claimAddress, httpd.Write),
		signedIn(s, "POST /_despatch/v1/mail/confirm", s.confirmAddress, httpd.Write),
		signedIn(s, "POST /_despatch/v1/mail/remove", s.removeAddress, httpd.Write),
	}
}
