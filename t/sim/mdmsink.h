
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * mdmsink: rules, connections, and what is counted.
 */


#ifndef _MDMSINK_H_INCLUDED_
#define _MDMSINK_H_INCLUDED_


#include <pthread.h>
#include <stdio.h>

#include <openssl/ssl.h>


#define SINK_RULES     64
#define SINK_CONNS     1024
#define SINK_HEAD      65536
#define SINK_BODY      (32 * 1024 * 1024)
#define SINK_SHOWN     65536
#define SINK_TEXT      256
#define SINK_PIECES    10


typedef struct {
    char                      path[SINK_TEXT];
    int                       status;
    long                      times;       /* -1: any number */
    long                      every;
    long                      seen;
    long                      delay;       /* ms */
    long                      head;
    long                      body;
    long                      size;        /* -1: a few bytes */
    long                      chunked;
    long                      close;
    char                      retry[64];
    char                      action[16];
} sink_rule_t;


typedef struct {
    int                       fd;
    SSL                      *ssl;
    long                      number;
    size_t                    have;        /* bytes in "head" */
    char                      head[SINK_HEAD + 1];
    size_t                    end;         /* of the head */
    unsigned char            *body;
    size_t                    len;
    char                      method[32];
    char                      path[SINK_TEXT];
} sink_conn_t;


typedef struct {
    pthread_mutex_t           lock;
    sink_rule_t               rules[SINK_RULES];
    int                       nrules;
    long                      accepted;
    long                      requests;
    long                      bad;         /* HMACs */
    long                      order;
    int                       open[SINK_CONNS];    /* fds, -1: free */
    int                       port;
    int                       listening;   /* fd, -1: closed */
    SSL_CTX                  *ctx;
    const char               *ca;
    FILE                     *ledger;
    int                       brief;       /* without head and body */
    unsigned char             hmac[256];
    int                       hmac_len;    /* -1: no key */
} sink_t;


extern sink_t  sink;


/* mdmsink.c */

void die(const char *what);
int sink_listen(void);

/* 1, or 0: it cannot be used */
int sink_certificate(const char *cert, const char *key);

/* mdmsink_http.c */

/* 1: a request is there; 0: the client is gone */
int sink_request(sink_conn_t *c);

/* 0: the connection goes on; -1: it is to be closed */
int sink_answer(sink_conn_t *c);

/* what is behind it in the buffer is the next one */
void sink_shift(sink_conn_t *c);

/* a line of the ledger; with the lock held */
void sink_note(sink_conn_t *c, const sink_rule_t *rule);

/* mdmsink_rule.c */

/* the rule for a request, which is noted */
void sink_rule(sink_conn_t *c, sink_rule_t *found);

/* carries out a line, and answers it */
void sink_command(char *line, FILE *out);


#endif /* _MDMSINK_H_INCLUDED_ */
