
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Connections and the loop that serves them.
 */


#ifndef _MDMSIM_CONN_H_INCLUDED_
#define _MDMSIM_CONN_H_INCLUDED_


#include "mdmsim_http.h"
#include "mdmsim_stat.h"

#include <openssl/ssl.h>


typedef enum {
    SIM_CLOSED = 0,
    SIM_CONNECTING,
    SIM_HANDSHAKE,
    SIM_OPEN,              /* nothing under way */
    SIM_SENDING,
    SIM_RECEIVING
} sim_state_e;


typedef struct sim_loop_s  sim_loop_t;
typedef struct sim_conn_s  sim_conn_t;

typedef void (*sim_conn_pt)(sim_loop_t *loop, sim_conn_t *c);
typedef void (*sim_fail_pt)(sim_loop_t *loop, sim_conn_t *c, sim_error_e e);
typedef void (*sim_loop_pt)(sim_loop_t *loop);


struct sim_conn_s {
    sim_link_t                active;      /* waits for the peer */
    sim_link_t                free;        /* of the driver */
    uint64_t                  deadline;
    uint64_t                  opened;
    uint64_t                  sent;

    int                       fd;
    uint32_t                  generation;  /* tells stale events apart */
    uint32_t                  events;      /* as epoll has them */
    SSL                      *ssl;
    sim_state_e               state;
    sim_target_t             *target;
    uint32_t                  tls_device;  /* whose certificate it has */
    uint64_t                  requests;    /* on this connection */
    int                       resend;      /* what is in "out", when open */
    int                       retried;

    const char               *out;
    size_t                    out_len;
    size_t                    out_pos;

    sim_buf_t                 in;
    sim_http_t                http;

    void                     *data;        /* of the driver */
};


struct sim_loop_s {
    int                       epoll;
    int                       timer;       /* timerfd, -1: none */
    uint64_t                  now;
    uint64_t                  timeout;
    uint64_t                  max_body;
    int                       resume;
    int                       no_retry;
    int                       verify;      /* the server's certificate */
    sim_link_t                active;
    sim_conn_t               *conns;
    uint32_t                  nconns;
    uint32_t                  connecting;  /* of them */
    SSL_SESSION             **sessions;    /* a device, or NULL */
    SSL_CTX                  *ctx;
    const sim_fleet_t        *fleet;
    sim_ca_t                 *ca;
    sim_stat_t               *stat;
    sim_conn_pt               ready;       /* connected, handshake done */
    sim_conn_pt               response;
    sim_fail_pt               failed;      /* the connection is closed */
    sim_conn_pt               gone;        /* closed while idle */
    sim_loop_pt               watched;     /* see sim_loop_watch() */
    void                     *data;
};


#define sim_link_data(link, field)                                            \
    ((sim_conn_t *) (void *) ((char *) (link) - offsetof(sim_conn_t, field)))


/* "n" closed connections; the caller sets the callbacks, "ca" and "stat" */
void sim_loop_init(sim_loop_t *loop, const sim_option_t *opt, uint32_t n);
void sim_loop_free(sim_loop_t *loop);
/* waits at most "wait" ns, then runs what happened */
void sim_loop_turn(sim_loop_t *loop, uint64_t wait);
void sim_loop_alarm(sim_loop_t *loop, uint64_t when);
/* calls loop->watched() when "fd", the only one, can be read */
void sim_loop_watch(sim_loop_t *loop, int fd);
void sim_conn_open(sim_loop_t *loop, sim_conn_t *c, sim_target_t *t,
    uint32_t device);
void sim_conn_send(sim_loop_t *loop, sim_conn_t *c, const char *data,
    size_t len);
void sim_conn_close(sim_loop_t *loop, sim_conn_t *c);

/* mdmsim_tls.c */

void sim_tls_ctx(sim_loop_t *loop, const sim_option_t *opt);
/* c->ssl, ready for the handshake; SIM_OK or SIM_ERROR */
int sim_tls_start(sim_loop_t *loop, sim_conn_t *c);


#endif /* _MDMSIM_CONN_H_INCLUDED_ */
