
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * TLS: the context, a connection with a device's identity, resumption.
 */


#include "mdmsim_conn.h"

#include <openssl/x509v3.h>


#define SIM_MANY_CONNS   2000     /* from here on memory counts more */


static int sim_new_session(SSL *ssl, SSL_SESSION *session);


void
sim_tls_ctx(sim_loop_t *loop, const sim_option_t *opt)
{
    SSL_CTX  *ctx;

    ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL
        || SSL_CTX_set_min_proto_version(ctx, opt->tls13 ? TLS1_3_VERSION
                                                         : TLS1_2_VERSION)
           != 1
        || (opt->tls12
            && SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) != 1))
    {
        sim_die("cannot set up TLS");
    }

    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE
                          |SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);

    if (loop->nconns > SIM_MANY_CONNS) {
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    }

    if (opt->server_ca != NULL) {
        if (SSL_CTX_load_verify_locations(ctx, opt->server_ca, NULL) != 1) {
            sim_die("no certificates in \"%s\"", opt->server_ca);
        }

        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }

    if (opt->resume) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT
                                            |SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, sim_new_session);

    } else {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    }

    SSL_CTX_set_app_data(ctx, loop);
    loop->ctx = ctx;
}


/* keeps the newest session of a device */

static int
sim_new_session(SSL *ssl, SSL_SESSION *session)
{
    sim_conn_t   *c;
    sim_loop_t   *loop;
    SSL_SESSION **slot;

    c = SSL_get_app_data(ssl);
    loop = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    slot = &loop->sessions[c->tls_device - loop->fleet->first];

    SSL_SESSION_free(*slot);
    *slot = session;

    return 1;
}


int
sim_tls_start(sim_loop_t *loop, sim_conn_t *c)
{
    int           rc;
    X509         *cert;
    EVP_PKEY     *key;
    SSL_SESSION  *session;

    c->ssl = SSL_new(loop->ctx);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1) {
        return SIM_ERROR;
    }

    SSL_set_app_data(c->ssl, c);
    SSL_set_connect_state(c->ssl);

    if (c->target->name[0] != '\0'
        && SSL_set_tlsext_host_name(c->ssl, c->target->name) != 1)
    {
        return SIM_ERROR;
    }

    if (loop->verify) {
        rc = c->target->name[0] != '\0'
             ? SSL_set1_host(c->ssl, c->target->name)
             : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(c->ssl),
                                             c->target->address);
        if (rc != 1) {
            return SIM_ERROR;
        }
    }

    if (loop->ca != NULL) {
        sim_cert_get(loop->ca, loop->fleet, c->tls_device, &cert, &key);
        rc = SSL_use_certificate(c->ssl, cert) == 1
             && SSL_use_PrivateKey(c->ssl, key) == 1;
        X509_free(cert);
        EVP_PKEY_free(key);

        if (!rc) {
            return SIM_ERROR;
        }
    }

    if (loop->sessions != NULL) {
        session = loop->sessions[c->tls_device - loop->fleet->first];
        if (session != NULL && SSL_SESSION_is_resumable(session)) {
            (void) SSL_set_session(c->ssl, session);
        }
    }

    return SIM_OK;
}
