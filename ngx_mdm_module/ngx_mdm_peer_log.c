
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What is said of a peer: its name, and why it cannot be used.
 */


#include "ngx_mdm_peer.h"


ngx_str_t *
ngx_mdm_peer_name(ngx_mdm_peer_t *peer)
{
    static ngx_str_t  nowhere = ngx_string("(unknown)");

    if (peer->target == NULL) {
        return &nowhere;
    }

    return (peer->addr < peer->target->naddrs)
           ? &peer->target->addrs[peer->addr].name : &peer->target->name;
}


void
ngx_mdm_peer_reason(ngx_mdm_peer_t *peer, ngx_str_t *reason, const char *fmt,
    ...)
{
    u_char   *last;
    va_list   args;

    va_start(args, fmt);
    last = ngx_vslprintf(peer->reason, peer->reason + NGX_MDM_PEER_REASON,
                         fmt, args);
    va_end(args);

    reason->data = peer->reason;
    reason->len = last - peer->reason;
}


const char *
ngx_mdm_peer_phase(ngx_mdm_peer_t *peer)
{
    switch (peer->state) {

    case NGX_MDM_PEER_LOCATING:
        return "no address";

    case NGX_MDM_PEER_CONNECTING:
        return "no connection";

    case NGX_MDM_PEER_PROXYING:
        return "no answer of the proxy";

    case NGX_MDM_PEER_SECURING:
        return "no TLS handshake";

    default:
        return "no answer to the handshake";
    }
}


void
ngx_mdm_peer_errno(ngx_mdm_peer_t *peer, ngx_err_t err, ngx_str_t *reason)
{
    u_char  *last;

    last = ngx_strerror(err, peer->reason, NGX_MDM_PEER_REASON);

    reason->data = peer->reason;
    reason->len = last - peer->reason;

    if (reason->len != 0) {
        reason->data[0] = ngx_tolower(reason->data[0]);
    }
}


u_char *
ngx_mdm_peer_log_error(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char          *p;
    ngx_mdm_peer_t  *peer;

    p = buf;
    peer = log->data;

    if (log->action) {
        p = ngx_snprintf(p, len, " while %s", log->action);
        len -= p - buf;
        buf = p;
    }

    if (peer->handlers->log != NULL) {
        p = peer->handlers->log(peer, buf, len);
        len -= p - buf;
        buf = p;
    }

    return ngx_snprintf(buf, len, ", server: %V", ngx_mdm_peer_name(peer));
}
