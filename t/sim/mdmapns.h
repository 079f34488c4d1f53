
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A stand-in for Apple's push service, for tests: see mdmapns.c.
 */


#ifndef _MDMAPNS_H_INCLUDED_
#define _MDMAPNS_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>


#define APNS_TEXT     64
#define APNS_LINE     8192
#define APNS_RULES    64


typedef enum {
    APNS_ANSWER = 0,
    APNS_NONE,                   /* no answer at all */
    APNS_REFUSE,                 /* RST_STREAM(REFUSED_STREAM) */
    APNS_RESET,                  /* RST_STREAM(INTERNAL_ERROR) */
    APNS_LARGE                   /* a body of 8 kB */
} apns_action_e;


/* what is answered; the first one that fits counts */

typedef struct {
    char                      token[2 * 128 + 1];  /* "*": any */
    apns_action_e             action;
    int                       status;
    char                      reason[APNS_TEXT];
    long                      retry_after;
    long long                 timestamp;
    long                      times;       /* left; -1: for ever */
    long                      share;       /* of 100 requests */
    long                      every;       /* the n-th only */
    long                      seen;
    long                      delay;       /* ms */
} apns_rule_t;


typedef struct apns_conn_s    apns_conn_t;
typedef struct apns_stream_s  apns_stream_t;


struct apns_stream_s {
    apns_stream_t            *next;        /* of the connection */
    apns_stream_t            *prev;
    apns_conn_t              *conn;
    int32_t                   id;
    char                      token[2 * 128 + 1];
    size_t                    len;

    int                       ready;       /* 1: to be answered, */
    long long                 due;         /* then, ms */
    apns_rule_t               rule;        /* by this */
    char                      answer[256];
    size_t                    size;        /* with spaces behind it */
    size_t                    sent;

    /* not cleared */
    char                      headers[2048];       /* as JSON */
    char                      body[4096];
};


struct apns_conn_s {
    apns_conn_t              *next;
    long                      number;
    char                      client[65];  /* SHA-256 of its certificate */
    int                       fd;
    SSL                      *ssl;
    nghttp2_session          *session;     /* NULL: TLS is not up yet */
    apns_stream_t            *streams;
    long                      nstreams;
    long                      requests;
    long                      answers;
    long                      bytes;       /* that have come */
    long                      reset_after; /* of them; 0: never */
    long                      goaway_after;        /* requests */
    int                       said_goaway;
    int                       taken;       /* a 200 was answered */
    int                       frozen;      /* nothing is read or written */
    int                       draining;    /* the last has been sent: until
                                              the client has read it */
    int                       dead;
    unsigned char            *out;
    size_t                    out_len;
    size_t                    out_sent;
};


/* who has connected to the control socket */

typedef struct {
    int                       fd;          /* -1: free */
    char                      line[8192];
    size_t                    len;
    char                     *out;         /* not written yet */
    size_t                    out_len;
    size_t                    out_size;
} apns_control_t;


/* what is told over it */

typedef struct {
    apns_rule_t               rules[APNS_RULES];
    int                       nrules;
    long                      streams;     /* of SETTINGS */
    long                      streams_taken;       /* after the first 200 */
    long                      streams_bad; /* after a bad token */
    int                       stall;
    int                       deaf;        /* PING is not answered */
    int                       alpn;        /* 1: http/1.1, 2: none */
    int                       verdict;     /* of the client's certificate: an
                                              error of X509_V_ERR_…; 0: ours */
    long                      verdict_delay;       /* ms */
    long                      delay;       /* ms */
    int                       early;       /* devices are woken before that */
    long                      reset_after;
    long                      reset_times;
    long                      goaway_after;
    long                      goaway_times;
    char                      goaway_reason[APNS_TEXT];
    int                       goaway_last; /* 0: all, 1: none, 2: the middle */

    long                      accepted;
    long                      requests;
    long                      pings;
    long                      goaways;     /* that clients have sent */
    long                      most;        /* streams open at a time */
    long long                 first;       /* request, and the last one: µs */
    long long                 last;

    FILE                     *ledger;
    int                       port;
    int                       listening;   /* fd, -1: closed */
    SSL_CTX                  *ctx;
    const char               *ca;
    apns_conn_t              *conns;
} apns_t;


extern apns_t  apns;


/* Unix milliseconds, microseconds */
long long apns_now(void);
long long apns_now_usec(void);

/* mdmapns_http.c: HTTP/2 of a connection; 0, or -1: it is to be closed */
int apns_http_start(apns_conn_t *conn);
int apns_http_read(apns_conn_t *conn, const unsigned char *data, size_t len);
int apns_http_write(apns_conn_t *conn);
void apns_http_free(apns_conn_t *conn);

/* answers what is due; returns ms until the next, or -1 */
long apns_http_due(apns_conn_t *conn);

/* SETTINGS with so many streams; GOAWAY */
void apns_http_streams(apns_conn_t *conn, long n);
void apns_http_goaway(apns_conn_t *conn, const char *reason, int last);

/* mdmapns_rule.c */

/* carries out a line; the answer is written to "out" */
void apns_command(char *line, apns_control_t *c, char *out, size_t size);

/* the rule for a request */
void apns_rule(const char *token, apns_rule_t *rule);

/* mdmapns_device.c */

/* a push for a device: it is handed over, or kept while it is away */
void apns_device_push(const char *token, const char *body, size_t len);

/* it has come, by this connection */
void apns_device_here(const char *token, apns_control_t *c);

/* the control connection is gone */
void apns_device_gone(apns_control_t *c);

/* mdmapns.c */

/* -1: too much waits there already */
int apns_control_send(apns_control_t *c, const char *data, size_t len);
int apns_certificate(const char *cert, const char *key);
int apns_listen(int on);


#endif /* _MDMAPNS_H_INCLUDED_ */
