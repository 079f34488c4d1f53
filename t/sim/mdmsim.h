
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The device simulator and load generator: shared types and prototypes.
 * It is a tool for tests and measurements and shares no code with the
 * module, so that a mistake in one is not repeated by the other.
 */


#ifndef _MDMSIM_H_INCLUDED_
#define _MDMSIM_H_INCLUDED_


#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif


#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>


#define SIM_OK               0
#define SIM_ERROR           -1
#define SIM_AGAIN           -2

#define SIM_MSEC             UINT64_C(1000000)      /* in nanoseconds */
#define SIM_SEC              UINT64_C(1000000000)

#define SIM_MAX_URLS         8
#define SIM_MAX_DEVICES      10000000
#define SIM_MAX_USERS        100
#define SIM_MAX_UUID         1024     /* bytes of a CommandUUID */
#define SIM_MAX_QUERIES      256
#define SIM_MAX_HEADER       32768    /* bytes of a response's header */


/* a growing buffer; running out of memory ends the program with a message */

typedef struct {
    char                     *data;
    size_t                    len;
    size_t                    size;
} sim_buf_t;


/* devices */

typedef enum {
    SIM_IPHONE = 0,
    SIM_IPAD,
    SIM_MAC,
    SIM_TV,
    SIM_SHARED,            /* Shared iPad, with users */
    SIM_BYOD,              /* User Enrollment, iPhone */
    SIM_MACBYOD,           /* User Enrollment, Mac, with users */
    SIM_KINDS
} sim_kind_e;


typedef struct {
    uint64_t                  seed;
    uint32_t                  first;       /* number of the first device */
    uint32_t                  count;
    uint32_t                  users;       /* a device whose kind has some */
    uint32_t                  weight[SIM_KINDS];
    uint32_t                  weights;     /* their sum */
    char                      topic[128];
} sim_fleet_t;


/* what is known of a device; all follows from the seed and its number */

typedef struct {
    uint64_t                  hash;
    sim_kind_e                kind;
    uint32_t                  number;
    const char               *product;     /* "iPhone15,2" */
    const char               *model_name;  /* "iPhone" */
    const char               *os;
    const char               *build;
    char                      id[40];      /* UDID, or EnrollmentID */
    char                      serial[16];
    char                      model[16];
    char                      name[64];
    char                      imei[20];
} sim_device_t;


typedef struct {
    char                      id[40];      /* UserID or EnrollmentUserID */
    char                      short_name[48];
    char                      long_name[48];
    char                      enrollment[128];   /* the id in the API */
} sim_user_t;


/* plists */

typedef struct {
    uint8_t                   type;
    uint32_t                  next;        /* sibling */
    uint32_t                  first;       /* child */
    uint32_t                  last;
    uint32_t                  count;       /* of children */
    size_t                    off;         /* of the content in "text" */
    size_t                    len;
    int64_t                   number;
    double                    real;
} sim_node_t;


typedef struct {
    sim_buf_t                *out;
    sim_buf_t                 text;
    sim_node_t               *nodes;
    uint32_t                  nnodes;
    uint32_t                  size;
    uint32_t                  depth;
    uint32_t                  stack[16];
    int                       binary;
} sim_plist_t;


typedef struct {
    sim_buf_t                 uuid;        /* NUL after it, not counted */
    sim_buf_t                 type;
    sim_buf_t                 data;        /* decoded */
    sim_buf_t                 queries;     /* each ended by NUL */
    uint32_t                  nqueries;
} sim_command_t;


/* JSON */

typedef enum {
    SIM_J_NULL = 0,
    SIM_J_FALSE,
    SIM_J_TRUE,
    SIM_J_NUMBER,
    SIM_J_STRING,
    SIM_J_ARRAY,
    SIM_J_OBJECT
} sim_json_e;


typedef struct {
    sim_json_e                type;
    uint32_t                  first;       /* child, 0: none */
    uint32_t                  next;        /* sibling */
    uint32_t                  count;       /* of children */
    size_t                    key;         /* offset in "text" */
    size_t                    key_len;
    size_t                    off;         /* of a string in "text" */
    size_t                    len;
    double                    number;
} sim_jnode_t;


typedef struct {
    sim_jnode_t              *nodes;
    uint32_t                  nnodes;
    uint32_t                  size;
    uint32_t                  root;
    sim_buf_t                 text;
} sim_json_t;


/* certificates */

typedef struct sim_ca_s  sim_ca_t;


/* HTTP */

typedef struct {
    int                       tls;
    socklen_t                 addrlen;
    struct sockaddr_storage   addr;
    char                      host[272];   /* with the port */
    char                      name[256];   /* for SNI, empty: an address */
    char                      address[64];
    char                      path[1024];
    char                      url[1400];
} sim_target_t;


typedef struct {
    int                       state;
    int                       status;
    int                       close;       /* the connection ends after it */
    int                       chunked;
    int                       has_length;
    size_t                    scanned;     /* of the header */
    size_t                    pos;         /* next byte to parse */
    size_t                    body;        /* offset in the buffer */
    size_t                    body_len;
    uint64_t                  rest;        /* of the body or the chunk */
} sim_http_t;


/* statistics */

#define SIM_HIST_SUB         7             /* bits: error below 1/128 */
#define SIM_HIST_SIZE        ((64 - SIM_HIST_SUB + 1) << SIM_HIST_SUB)


typedef struct {
    uint64_t                  count;
    uint64_t                  max;
    uint32_t                  slot[SIM_HIST_SIZE];
} sim_hist_t;


typedef enum {
    SIM_E_CONNECT = 0,
    SIM_E_TLS,
    SIM_E_TIMEOUT,
    SIM_E_CLOSED,          /* before the whole answer was there */
    SIM_E_PROTOCOL,        /* an answer that is not HTTP or not MDM */
    SIM_E_MAX,
    SIM_E_ABORTED          /* on purpose, not an error */
} sim_error_e;


typedef enum {
    SIM_ACKNOWLEDGED = 0,
    SIM_COMMAND_ERROR,
    SIM_FORMAT_ERROR,
    SIM_NOTNOW,
    SIM_ANSWERS
} sim_answer_e;


/* of declarative management */

typedef struct {
    uint64_t                  commands;
    uint64_t                  channels;    /* that it is on for */
    uint64_t                  unchanged;   /* same DeclarationsToken */
    uint64_t                  manifests;
    uint64_t                  fetched;
    uint64_t                  removed;
    uint64_t                  missing;     /* listed, but 404 */
    uint64_t                  mismatched;  /* not what was listed */
    uint64_t                  backwards;   /* Timestamp */
    uint64_t                  reports;
    uint64_t                  full;        /* of the reports */
    uint64_t                  checked;     /* channels */
    uint64_t                  inconsistent;
} sim_ddm_stat_t;


typedef struct {
    uint64_t                  requests;
    uint64_t                  responses;
    uint64_t                  status[1000];
    uint64_t                  errors[SIM_E_MAX];
    uint64_t                  reconnects;
    uint64_t                  connections;
    uint64_t                  handshakes;
    uint64_t                  resumed;
    uint64_t                  visits;
    uint64_t                  failed;      /* visits that were given up */
    uint64_t                  retries;
    uint64_t                  skipped;     /* the device was still busy */
    uint64_t                  aborted;
    uint64_t                  resent;      /* results, after a failure */
    uint64_t                  commands;
    uint64_t                  answers[SIM_ANSWERS];
    uint64_t                  enrolled;
    uint64_t                  bytes_in;
    uint64_t                  bytes_out;
    sim_ddm_stat_t            ddm;
    sim_hist_t                latency;
    sim_hist_t                handshake;
} sim_stat_t;


/* options */

typedef enum {
    SIM_CMD_CA      = 0x001,
    SIM_CMD_CERT    = 0x002,
    SIM_CMD_IDS     = 0x004,
    SIM_CMD_MESSAGE = 0x008,
    SIM_CMD_ENROLL  = 0x010,
    SIM_CMD_POLL    = 0x020,
    SIM_CMD_SESSION = 0x040,
    SIM_CMD_RUN     = 0x080,
    SIM_CMD_CHECKOUT = 0x100,
    SIM_CMD_BENCH   = 0x200,
    SIM_CMD_TORTURE = 0x400,
    SIM_CMD_DDM     = 0x800
} sim_cmd_e;


#define SIM_CHANNEL_DEVICE   1
#define SIM_CHANNEL_USER     2


typedef struct {
    sim_cmd_e                 cmd;
    sim_fleet_t               fleet;

    const char               *dir;
    const char               *ca_cert;
    const char               *ca_key;
    const char               *server_ca;
    const char               *server_name;
    const char               *out;
    const char               *what;        /* of "message" */
    const char               *command;     /* file, of "message" */
    const char               *signature;   /* file, of "message" */
    const char               *endpoint;    /* of "message" */
    const char               *data;        /* file, of "message" */
    const char               *ledger;
    const char               *header_cert;

    const char               *urls[SIM_MAX_URLS];
    const char               *sends[SIM_MAX_URLS];   /* of bench */
    uint32_t                  nurls;
    const char               *checkin_url;

    uint32_t                  device;
    uint32_t                  user;
    int                       channels;
    int                       shared_key;
    int                       rfc9440;
    int                       sign;
    int                       sign_noattr;
    int                       sign_sha1;
    int                       force;

    uint32_t                  connections;
    uint32_t                  reopen_every;
    int                       new_connection;
    int                       resume;
    int                       tls12;
    int                       tls13;
    int                       allow_remote;
    int                       no_retry;

    uint64_t                  requests;
    uint64_t                  max_errors;
    uint64_t                  timeout;     /* nanoseconds */
    uint64_t                  duration;
    uint64_t                  interval;
    uint64_t                  slice;
    double                    rate;
    uint32_t                  retries;
    uint32_t                  max_commands;
    uint64_t                  max_body;

    double                    notnow;      /* percent */
    double                    error;
    double                    format_error;
    double                    abort;
    int                       binary;
    int                       chunked;
    int                       enroll;
    int                       bootstrap;
    uint64_t                  result_size;
    uint64_t                  inventory_size;
    uint32_t                  unlock_token;

    int                       session;     /* of bench */
    uint32_t                  baseline_puts;
    uint32_t                  worker_pids[SIM_MAX_URLS];
    uint32_t                  nworkers;
    uint32_t                  redis_pid;
    int                       cpu;         /* -1: not pinned */

    const char               *api_url;     /* of torture */
    uint32_t                  api_connections;
    uint32_t                  churn;       /* devices that enroll again */
    uint32_t                  group;       /* ids of a call, at most */
    uint32_t                  depth;       /* of a queue, at most */
    uint64_t                  commands;

    int                       ddm;         /* devices do it */
    int                       check;       /* of ddm */

    int                       json;
    int                       quiet;
} sim_option_t;


/* connections */

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


/* a link of a list; every list has a head of its own */

typedef struct sim_link_s  sim_link_t;

struct sim_link_s {
    sim_link_t               *prev;
    sim_link_t               *next;
};


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
    void                     *data;
};


#define sim_link_data(link, field)                                            \
    ((sim_conn_t *) (void *) ((char *) (link) - offsetof(sim_conn_t, field)))


/* mdmsim_util.c */

void sim_die(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));
void *sim_alloc(size_t size);
void *sim_realloc(void *p, size_t size);
uint64_t sim_now(void);
uint64_t sim_mix(uint64_t x);
/* a number that depends on all three and looks random */
uint64_t sim_hash(uint64_t seed, uint64_t n, uint64_t salt);
uint64_t sim_hash_bytes(uint64_t seed, const void *data, size_t len);
void sim_fill(uint64_t seed, void *data, size_t len);
void sim_uuid(uint64_t seed, char *dst);
void sim_buf_reserve(sim_buf_t *b, size_t len);
void sim_buf_add(sim_buf_t *b, const void *data, size_t len);
void sim_buf_str(sim_buf_t *b, const char *s);
void sim_buf_printf(sim_buf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void sim_buf_base64(sim_buf_t *b, const void *data, size_t len);
void sim_buf_percent(sim_buf_t *b, const void *data, size_t len);
void sim_buf_free(sim_buf_t *b);
/* the whole file, at most 64 MB; ends the program if it cannot be read */
void sim_read_file(const char *name, sim_buf_t *b);
/* a new file; ends the program if it is there already and not "force" */
void sim_write_file(const char *name, const sim_buf_t *b, int mode,
    int force);
void sim_link_init(sim_link_t *head);
void sim_link_add(sim_link_t *head, sim_link_t *link);    /* last */
void sim_link_first(sim_link_t *head, sim_link_t *link);
void sim_link_del(sim_link_t *link);                      /* idempotent */
int sim_link_empty(const sim_link_t *head);

/* mdmsim_stat.c */

void sim_hist_add(sim_hist_t *h, uint64_t us);
uint64_t sim_hist_get(const sim_hist_t *h, double percent);
uint64_t sim_stat_errors(const sim_stat_t *st);
const char *sim_error_name(sim_error_e e);
void sim_out_begin(int json);
void sim_out(const char *name, double value, int digits, const char *unit);
void sim_out_end(void);
void sim_stat_report(const sim_stat_t *st, const sim_option_t *opt,
    uint64_t elapsed, int interrupted);
double sim_cpu_self(void);   /* nanoseconds */

/* mdmsim_option.c */

void sim_option_parse(sim_option_t *opt, int argc, char **argv);

/* mdmsim_target.c */

/* resolves; ends the program on a bad URL or one that is not loopback */
void sim_target_parse(const sim_option_t *opt, const char *url,
    sim_target_t *t);

/* mdmsim_device.c */

int sim_kinds_parse(sim_fleet_t *f, const char *text);
void sim_device(const sim_fleet_t *f, uint32_t number, sim_device_t *d);
/* users of the device: 0, or fleet->users */
uint32_t sim_device_users(const sim_fleet_t *f, uint32_t number);
/* user is 1..users */
void sim_device_user(const sim_fleet_t *f, const sim_device_t *d,
    uint32_t user, sim_user_t *u);

/* mdmsim_cert.c */

sim_ca_t *sim_ca_load(const sim_option_t *opt);
void sim_ca_free(sim_ca_t *ca);
void sim_ca_create(const sim_option_t *opt);
/* the DER of a device's certificate, always the same bytes */
void sim_cert_der(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    sim_buf_t *der);
/* both with a reference for the caller */
void sim_cert_get(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    X509 **cert, EVP_PKEY **key);
void sim_cert_header(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    int rfc9440, sim_buf_t *out);
void sim_cert_sign(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    const sim_option_t *opt, const sim_buf_t *body, sim_buf_t *out);
void sim_cert_write(sim_ca_t *ca, const sim_fleet_t *f, uint32_t number,
    const char *prefix, int force);
void sim_cert_prepare(sim_ca_t *ca, const sim_fleet_t *f, int quiet);

/* mdmsim_plist.c: writing */

void sim_plist_begin(sim_plist_t *w, sim_buf_t *out, int binary);
void sim_plist_finish(sim_plist_t *w);
void sim_plist_free(sim_plist_t *w);
void sim_plist_dict(sim_plist_t *w);
void sim_plist_array(sim_plist_t *w);
void sim_plist_end(sim_plist_t *w);
void sim_plist_key(sim_plist_t *w, const char *key);
void sim_plist_string(sim_plist_t *w, const char *s, size_t len);
void sim_plist_data(sim_plist_t *w, const void *data, size_t len);
void sim_plist_int(sim_plist_t *w, int64_t n);
void sim_plist_real(sim_plist_t *w, double n);
void sim_plist_bool(sim_plist_t *w, int n);
void sim_plist_date(sim_plist_t *w, int64_t unix_time);
void sim_plist_kstr(sim_plist_t *w, const char *key, const char *value);

/* mdmsim_scan.c: reading what a server sends */

int sim_command_scan(const char *data, size_t len, sim_command_t *cmd);
/* the value of a top-level data key of an XML plist; SIM_OK or SIM_ERROR */
int sim_data_scan(const char *data, size_t len, const char *key,
    sim_buf_t *value);
void sim_command_free(sim_command_t *cmd);
/* the parts that the binary reader shares */
int sim_scan_keep(sim_buf_t *dst, const sim_buf_t *value);
int sim_scan_query(sim_command_t *cmd, const sim_buf_t *value);
int sim_scan_utf8(sim_buf_t *text, uint32_t c);
/* adds what base64 text stands for; SIM_OK or SIM_ERROR */
int sim_scan_base64(sim_buf_t *b, const char *s, size_t len);

/* mdmsim_scan_bin.c */

int sim_scan_binary(const char *data, size_t len, sim_command_t *cmd);

/* mdmsim_json.c */

int sim_json_parse(sim_json_t *j, const char *data, size_t len);
void sim_json_free(sim_json_t *j);
/* a node; 0: there is none, which all take for an answer */
uint32_t sim_json_get(const sim_json_t *j, uint32_t node, const char *key);
/* NULL: it is no string */
const char *sim_json_string(const sim_json_t *j, uint32_t node);
void sim_json_quote(sim_buf_t *b, const char *s);

/* mdmsim_message.c */

void sim_message_authenticate(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d);
void sim_message_token(sim_plist_t *w, const sim_option_t *opt,
    const sim_device_t *d, uint32_t user);
void sim_message_bootstrap(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d, int set);
void sim_message_checkout(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d, uint32_t user);
void sim_message_idle(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d, uint32_t user);
void sim_message_result(sim_plist_t *w, const sim_option_t *opt,
    const sim_device_t *d, uint32_t user, sim_answer_e answer,
    const sim_command_t *cmd);
void sim_bootstrap_token(const sim_fleet_t *f, const sim_device_t *d,
    uint8_t *token, size_t len);
const char *sim_answer_name(sim_answer_e answer);

/* "data" NULL: none */
void sim_message_ddm(sim_plist_t *w, const sim_fleet_t *f,
    const sim_device_t *d, uint32_t user, const char *endpoint,
    const sim_buf_t *data);

/* mdmsim_inventory.c: a list of applications of about that size */

void sim_inventory(sim_plist_t *w, const sim_device_t *d, uint64_t size);
/* prints what a result takes to be compressed */
void sim_inventory_report(const sim_buf_t *result);

/* mdmsim_answer.c */

void sim_answer_keys(sim_plist_t *w, const sim_option_t *opt,
    const sim_device_t *d, const sim_command_t *cmd);

/* mdmsim_http.c */

void sim_http_request(const sim_option_t *opt, const sim_target_t *t,
    sim_ca_t *ca, uint32_t device, int checkin, const sim_buf_t *body,
    int close, sim_buf_t *out);
void sim_http_reset(sim_http_t *h);
/*
 * Reads on in the buffer.  SIM_OK: the answer is whole, its body at
 * buf->data + h->body.  SIM_AGAIN: more is needed.  SIM_ERROR: not HTTP, or
 * over a limit.
 */
int sim_http_parse(sim_http_t *h, sim_buf_t *buf, uint64_t max_body);
/* the peer closed: SIM_OK if that ends the body */
int sim_http_eof(sim_http_t *h);

/* mdmsim_conn.c */

/* "n" closed connections; the caller sets the callbacks, "ca" and "stat" */
void sim_loop_init(sim_loop_t *loop, const sim_option_t *opt, uint32_t n);
void sim_loop_free(sim_loop_t *loop);
/* waits at most "wait" ns, then runs what happened */
void sim_loop_turn(sim_loop_t *loop, uint64_t wait);
void sim_loop_alarm(sim_loop_t *loop, uint64_t when);
void sim_conn_open(sim_loop_t *loop, sim_conn_t *c, sim_target_t *t,
    uint32_t device);
void sim_conn_send(sim_loop_t *loop, sim_conn_t *c, const char *data,
    size_t len);
void sim_conn_close(sim_loop_t *loop, sim_conn_t *c);

/* mdmsim_tls.c */

void sim_tls_ctx(sim_loop_t *loop, const sim_option_t *opt);
/* c->ssl, ready for the handshake; SIM_OK or SIM_ERROR */
int sim_tls_start(sim_loop_t *loop, sim_conn_t *c);

/* mdmsim_run.c, mdmsim_bench.c, mdmsim_torture.c: 0 or an exit code */

int sim_run(const sim_option_t *opt);
int sim_bench(const sim_option_t *opt);
int sim_torture(const sim_option_t *opt);

/* mdmsim.c: 1 after SIGINT or SIGTERM */

int sim_stopped(void);
/* after SIGUSR1: the load is over, its check begins */
int sim_ended(void);


#endif /* _MDMSIM_H_INCLUDED_ */
