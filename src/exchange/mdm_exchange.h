
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The exchange: one request on its way through the core.  A step function
 * is called with the request, names Redis calls or fills in the response,
 * and is called again with the replies.  It never does I/O and never reads
 * a clock; whoever runs it (nginx, a unit test, a fuzzer) does.
 */


#ifndef _MDM_EXCHANGE_H_INCLUDED_
#define _MDM_EXCHANGE_H_INCLUDED_


#include "mdm_base.h"
#include "mdm_cache.h"
#include "mdm_http.h"
#include "mdm_reply.h"
#include "mdm_script.h"
#include "mdm_secret.h"


typedef struct mdm_exchange_s  mdm_exchange_t;
typedef struct mdm_endpoint_s  mdm_endpoint_t;
typedef struct mdm_webhook_s   mdm_webhook_t;


/*
 * What a step function returns.  After MDM_ERROR the runner answers 500, and
 * sets x->failure to what mdm_arena_failure() says.
 */

#define  MDM_DONE        1    /* the response is filled in */
#define  MDM_CALL        2    /* run x->calls, then call the step again */

typedef mdm_int_t (*mdm_step_pt)(mdm_exchange_t *x);


/* how a call ended; set by the runner before the step is called again */

typedef enum {
    MDM_CALL_PENDING = 0,
    MDM_CALL_OK,                 /* call->reply is there, not an error */
    MDM_CALL_UNAVAILABLE,        /* Redis is away, slow, loading, full …, or
                                    too much work waits for a thread */
    MDM_CALL_FAILED              /* the script or the function itself failed:
                                    our fault */
} mdm_call_e;


typedef enum {
    MDM_CALL_KIND_REDIS = 0,
    MDM_CALL_KIND_WORK,
    MDM_CALL_KIND_PUSH,
    MDM_CALL_KIND_HTTP
} mdm_call_kind_e;


/*
 * A function that may take long.  It may run in a thread of its own while the
 * other calls of its round are under way.  So it touches only "data", "arena"
 * (where it allocates), and what does not change during the round, such as the
 * body of the request and the settings.  It uses no cache and no log, and only
 * keys made by mdm_secret_keys_copy().  Results go into "data".  MDM_ERROR
 * fails the call, and the arena says why.
 */
typedef mdm_int_t (*mdm_work_pt)(mdm_arena_t *arena, void *data);


/* what became of a push */

typedef enum {
    MDM_PUSH_OFF = 0,            /* "mdm_push" is off */
    MDM_PUSH_ANSWERED,           /* status and what else APNs has said */
    MDM_PUSH_PENDING,            /* "wait" is over; it goes on by itself */
    MDM_PUSH_TIMEOUT,            /* APNs did not answer in time */
    MDM_PUSH_RESET,              /* APNs reset the stream, or said what is no
                                    answer */
    MDM_PUSH_NO_CERTIFICATE,     /* of the topic */
    MDM_PUSH_EXPIRED,            /* it has one, which has expired */
    MDM_PUSH_REFUSED,            /* APNs takes no connection with it */

    /* it was not sent: there is no connection, ... */
    MDM_PUSH_UNREACHABLE,
    MDM_PUSH_PROXY_AUTH,         /* the proxy wants another password, 407 */
    MDM_PUSH_PROXY_STATUS,       /* it answers another status than 2xx, */
    MDM_PUSH_PROXY_ODD,          /* what is no answer, or more than that */
    MDM_PUSH_INTERCEPTED,        /* somebody else answers: no CA that is
                                    trusted made the certificate, or it is
                                    for another name */
    MDM_PUSH_NO_HTTP2,           /* what answers speaks no HTTP/2 */
    MDM_PUSH_PAUSED,             /* APNs is in trouble */
    MDM_PUSH_BUSY                /* too many wait, or APNs takes no more */
} mdm_push_e;


/*
 * A push to one token.  What goes in is copied when the call is made, so that
 * it goes on by itself when whoever waits for it goes away.  rc of its call is
 * MDM_CALL_OK however it ends.
 */

typedef struct {
    mdm_str_t                 topic;
    mdm_str_t                 token;       /* raw, MDM_PUSH_TOKEN at most */
    mdm_str_t                 payload;     /* JSON, MDM_PUSH_PAYLOAD at most */
    mdm_str_t                 apns_id;     /* a UUID, lower case; the answer's
                                              afterwards */
    int64_t                   expiration;  /* Unix seconds; 0: tried once */
    mdm_uint_t                wait;        /* milliseconds after which the step
                                              is called again; 0: only when it
                                              has ended */

    /* of a lease: if nobody waits for it when it ends, who runs it stores what
       became of it; stamp empty: nobody does */
    mdm_str_t                 tag;         /* KEYS[1] of the partition */
    mdm_str_t                 id;          /* key form */
    mdm_str_t                 stamp;
    int64_t                   owed;        /* since when it is, Unix ms; 0:
                                              since now, or it is tried once
                                              more */

    mdm_push_e                outcome;
    mdm_uint_t                status;      /* of an answer */
    mdm_str_t                 reason;      /* of an answer, "" if it has none;
                                              else why there is none: printable
                                              ASCII */
    int64_t                   timestamp;   /* of a token that is not valid any
                                              more, Unix milliseconds; 0: none
                                              is given */
    int64_t                   retry_after; /* seconds; 0: none is given */
    mdm_uint_t                believed;    /* 1: APNs took pushes of the topic a
                                              short time ago */
    mdm_uint_t                again;       /* it was not sent: milliseconds
                                              until one may be; 0: unknown */
} mdm_push_t;

/* the kind of work that sends them */
#define MDM_PUSH_JOB          "push"

#define MDM_PUSH_TOKEN        128
#define MDM_PUSH_PAYLOAD      4096


/*
 * One call: of a script, of a function, a push or an HTTP request, as its kind
 * says.
 *
 * A script has one key, KEYS[1], which also routes it in a cluster; all other
 * keys that the script touches carry its hash tag.  The call, the key and the
 * arguments live in the exchange's arena.
 */

typedef struct {
    mdm_call_kind_e           kind;
    mdm_call_e                rc;

    const mdm_script_t       *script;
    mdm_str_t                 key;
    mdm_str_t                *args;        /* ARGV */
    mdm_uint_t                nargs;

    mdm_work_pt               work;
    mdm_arena_t              *arena;       /* the work's, with the life of the
                                              exchange */
    void                     *data;

    mdm_push_t               *push;
    mdm_http_t               *http;

    mdm_reply_t              *reply;       /* owned by the runner, valid
                                              until the exchange ends */
    mdm_arena_t              *reply_arena; /* runner's */
    size_t                    bytes;       /* of the reply, about; runner's */
} mdm_call_t;


typedef enum {
    MDM_VALIDATE_OFF = 0,
    MDM_VALIDATE_WARN,
    MDM_VALIDATE_STRICT
} mdm_validate_e;


typedef enum {
    MDM_REENROLL_ANY = 0,        /* any valid certificate of no other id */
    MDM_REENROLL_BOUND,          /* one that names this UDID or serial */
    MDM_REENROLL_DENY            /* an administrator resets the pin first */
} mdm_reenroll_e;


typedef enum {
    MDM_USER_AUTHENTICATE_REFUSE = 0,
    MDM_USER_AUTHENTICATE_ACCEPT
} mdm_user_authenticate_e;


/* whom do we let out of Setup Assistant? */

typedef enum {
    MDM_RELEASE_SETUP = 0,       /* who a setup was for */
    MDM_RELEASE_ALWAYS,
    MDM_RELEASE_OFF
} mdm_release_e;


/* settings of a store, whoever uses it; read-only while serving */

typedef struct {
    uint32_t                  partitions;      /* P, 1 .. 16384 */
    const mdm_str_t          *status_index;    /* items that queries find */
    mdm_uint_t                nstatus_index;
    const mdm_secret_keys_t  *secrets;         /* NULL: nothing is sealed */
    mdm_uint_t                encryption_required; /* 1: what is plain in
                                                  Redis is not believed */
} mdm_store_settings_t;


/* a push certificate that comes from a file */

typedef struct {
    mdm_str_t                 tenant;
    mdm_str_t                 topic;
    int64_t                   not_after;       /* Unix seconds */
    mdm_str_t                 sha256;          /* hex */
} mdm_push_file_t;


/* intervals after which a push is followed by another */
#define MDM_PUSH_RETRIES      8


/* settings of a location or of jobs, read-only while serving */

typedef struct {
    const mdm_store_settings_t  *store;
    mdm_uint_t                validate;        /* mdm_validate_e */
    mdm_uint_t                reenroll;        /* mdm_reenroll_e */
    mdm_uint_t                user_authenticate;
    mdm_uint_t                release;         /* mdm_release_e */
    mdm_uint_t                queue_limit;     /* commands a channel */
    mdm_uint_t                result_ttl;      /* seconds */
    size_t                    result_bytes;    /* of results a channel, as
                                                  they are kept; 0: any */
    mdm_uint_t                event_limit;     /* entries a partition */
    mdm_uint_t                event_payload;   /* 1: events carry the body */
    const mdm_webhook_t      *webhooks;        /* who gets events */
    mdm_uint_t                nwebhooks;
    const mdm_str_t          *event_groups;    /* consumer groups that do */
    mdm_uint_t                nevent_groups;
    mdm_uint_t                event_hold;      /* seconds: who acknowledges
                                                  nothing for so long holds
                                                  nothing back */
    mdm_uint_t                keep_certificate; /* 1: keep the DER */
    mdm_uint_t                audit_reads;     /* 1: reads of commands and
                                                  results write events */
    mdm_uint_t                withhold_secrets; /* 1: from an identity that
                                              took another's place */
    mdm_uint_t                api_ids;         /* ids a call */
    mdm_uint_t                status_reports;  /* raw ones kept a channel */
    mdm_uint_t                status_errors;   /* kept a channel */
    mdm_uint_t                ddm_withhold;    /* 1: declarations that a client
                                                  does not support */
    mdm_uint_t                push;            /* 1: there are pushes */
    mdm_uint_t                push_wait;       /* ms that the API waits for
                                                  them */
    mdm_uint_t                push_expiration; /* seconds that APNs keeps one
                                                  for a device that is away;
                                                  0: it tries once */
    mdm_uint_t                push_window;     /* ms: one push a channel */
    mdm_uint_t                push_ids;        /* of a call that waits */
    mdm_uint_t                push_rate;       /* a second; 0: any number */
    mdm_uint_t                push_burst;
    mdm_uint_t                push_retry[MDM_PUSH_RETRIES]; /* seconds, the
                                                  last one repeats */
    mdm_uint_t                npush_retry;
    mdm_uint_t                push_plain;      /* 1: keys of push certificates
                                                  are kept, even if they are
                                                  not encrypted */
    const mdm_push_file_t    *push_files;
    mdm_uint_t                npush_files;
    mdm_uint_t                challenge_ttl;   /* seconds */
    mdm_uint_t                challenge_limit; /* open ones, a tenant */
    mdm_uint_t                renew_grace;     /* seconds that the certificate
                                                  before a renewed one is good
                                                  for still */
    mdm_uint_t                plist_depth;
    mdm_uint_t                plist_nodes;
    const struct mdm_scep_s  *scep;            /* NULL: the location has
                                                  none */
    const struct mdm_ca_s *const *cas;         /* all that there are */
    mdm_uint_t                ncas;
    const struct mdm_enroll_block_s *const *enrollments;   /* the same */
    mdm_uint_t                nenrollments;
    mdm_uint_t                enroll_allow;    /* mdm_enroll_allow_e */
    mdm_uint_t                enroll_replace;  /* mdm_enroll_replace_e */
} mdm_settings_t;


typedef enum {
    MDM_IDENTITY_NONE = 0,
    MDM_IDENTITY_TLS,
    MDM_IDENTITY_HEADER,
    MDM_IDENTITY_SIGNATURE       /* covers the body only: may be a replay */
} mdm_identity_e;


/* the verified client certificate; never one that failed verification */

typedef struct {
    mdm_identity_e            source;
    mdm_str_t                 digest;      /* its SHA-256, 32 bytes */
    mdm_str_t                 sha256;      /* the same, lower-case hex */
    mdm_str_t                 der;         /* the certificate itself */
} mdm_identity_t;


typedef enum {
    MDM_KIND_CHECKIN = 0,
    MDM_KIND_CONNECT,
    MDM_KIND_API,
    MDM_KIND_AUTH,               /* mdm_auth: the certificate only */
    MDM_KIND_SCEP,               /* whoever wants a certificate */
    MDM_KIND_ENROLL,             /* or a profile to enroll with */
    MDM_KIND_JOB                 /* no request: work in the background */
} mdm_kind_e;


/* request methods, a bit each */

#define  MDM_GET         0x01
#define  MDM_POST        0x02
#define  MDM_PUT         0x04
#define  MDM_DELETE      0x08


/* "*" in a path of the API, at most */

#define MDM_PARAMS       2


/* one row of the table of endpoints that each folder with steps has */

struct mdm_endpoint_s {
    mdm_kind_e                kind;
    mdm_uint_t                methods;     /* MDM_GET | … */
    mdm_str_t                 name;        /* check-in: MessageType; API: the
                                              path, "*" for one segment, at
                                              most MDM_PARAMS of them */
    mdm_step_pt               step;
    mdm_uint_t                secret;      /* 1: answers a secret, so a
                                              signature alone is refused */
    mdm_uint_t                acts;        /* 1: a GET does something, too */
};

#define mdm_endpoint_null                                                     \
    { MDM_KIND_API, 0, mdm_null_string, NULL, 0, 0 }


typedef enum {
    MDM_LOG_INFO = 0,
    MDM_LOG_NOTICE,
    MDM_LOG_WARN,
    MDM_LOG_ERROR,
    MDM_LOG_ALERT,
    MDM_LOG_ALERT_RARE           /* an alert, one line a minute at most */
} mdm_log_e;


/* a line for the error log; the runner adds client and request */

typedef struct mdm_log_s      mdm_log_t;
typedef struct mdm_frame_s    mdm_frame_t;
typedef struct mdm_rewrite_s  mdm_rewrite_t;
typedef struct mdm_api_audit_s  mdm_api_audit_t;
typedef struct mdm_header_s   mdm_header_t;
typedef struct mdm_event_tag_s  mdm_event_tag_t;

struct mdm_log_s {
    mdm_log_e                 level;
    mdm_str_t                 text;
    mdm_log_t                *next;
};


/* a response header of our own; the name has the life of the program */

struct mdm_header_s {
    const char               *name;
    mdm_str_t                 value;
    mdm_header_t             *next;
};


/* a stream that events may have been written to: KEYS[1] of its scripts */

struct mdm_event_tag_s {
    mdm_str_t                 tag;
    mdm_event_tag_t          *next;
};


struct mdm_exchange_s {
    mdm_arena_t              *arena;
    const mdm_settings_t     *settings;
    mdm_str_t                 tenant;      /* checked by the runner */
    int64_t                   now;         /* Unix time, seconds */
    mdm_cache_t              *cache;       /* the runner's, or NULL */
    const mdm_secret_keys_t  *secrets;     /* see mdm_exchange_secrets() */
    const mdm_secret_keys_t  *seals;       /* see mdm_enroll_seal_key() */
    mdm_str_t                 cache_key;   /* to be put into the cache */
    mdm_str_t                 cache_value;

    /* the request */

    mdm_kind_e                kind;
    mdm_uint_t                method;      /* MDM_GET … */
    mdm_str_t                 path;        /* API: from "/v1/" on, still
                                              percent-encoded */
    mdm_str_t                 param[MDM_PARAMS];   /* what "*" stands for in
                                              it, in that order, still
                                              encoded; set with the endpoint */
    mdm_str_t                 query;       /* behind "?", still encoded */
    mdm_str_t                 content_type;
    mdm_str_t                 body;
    mdm_identity_t            identity;
    mdm_str_t                 remote_user; /* API: who, for the audit */
    mdm_str_t                 remote_addr;

    /* of MDM_KIND_ENROLL; its path is what is behind the location's */

    const struct mdm_enroll_block_s *enrollment;
    mdm_uint_t                ways;        /* MDM_ENROLL_LINK … */
    mdm_str_t                 url;         /* of the location, as the client
                                              has it: "https://", host and
                                              path */
    mdm_str_t                 deviceinfo;  /* x-apple-aspen-deviceinfo */
    mdm_str_t                 user_agent;
    mdm_str_t                 person;      /* mdm_enroll_person */
    unsigned                  head:1;      /* HEAD, and not GET */
    unsigned                  asked:1;     /* mdm_enroll_person is set, though
                                              it may be empty */
    unsigned                  login:1;     /* mdm_enroll_login is set */

    /* its progress */

    const mdm_endpoint_t     *endpoint;
    mdm_step_pt               step;
    mdm_int_t                 state;       /* the step's own; 0 at first */
    void                     *ctx;         /* the step's own */
    mdm_frame_t              *frames;      /* who has entered it, the newest
                                              first */
    mdm_step_pt               behind;      /* entered once the response is
                                              there, and cannot change it */

    mdm_call_t               *calls;       /* of the current round */
    mdm_uint_t                ncalls;
    const char               *kick;        /* the kind of work that the tenant
                                              may have now, or NULL */
    mdm_str_t                 owed_tag;    /* with "owed": KEYS[1] of the one
                                              partition that is to be looked
                                              at, at once; empty: MDM_PUSH_JOB
                                              is kicked */
    int64_t                   again;       /* a job that ends with 200: ms until
                                              it is to be run again; 0: as its
                                              kind says */
    mdm_call_t               *held;        /* calls that wait for a kick, see
                                              mdm_exchange_run() */
    mdm_uint_t                nheld;
    unsigned                  held_failures:1;     /* own_failures of them */
    unsigned                  owes:1;      /* commands may be queued */
    unsigned                  nopush:1;    /* none is pushed for */
    unsigned                  announced:1; /* that pushes are owed */
    unsigned                  kicked:1;    /* in Redis, just now */
    unsigned                  owed:1;      /* the step says so: a push is due
                                              that nobody sends yet */
    unsigned                  stop:1;      /* a job: set by the runner between
                                              rounds, it is to end soon */
    unsigned                  unknown:1;   /* refused since the store knows
                                              of no such device: the runner
                                              asks whether it is the right
                                              store, or answers 503 */
    unsigned                  lasting:1;   /* the step wants to see the end of
                                              its calls, and go on, though the
                                              client goes away meanwhile */
    unsigned                  heavy:1;     /* the step says so: its next run
                                              takes long */
    unsigned                  away:1;      /* see mdm_exchange_away() */
    unsigned                  own_failures:1;  /* the step looks at rc of
                                              each call; else a failed call
                                              is 503 without asking it */
    mdm_rewrite_t            *rewrites;    /* for the newest key, see
                                              mdm_exchange_secret.h */

    mdm_event_tag_t          *event_tags;  /* where somebody may have to get
                                              something now, the newest first */
    unsigned                  consumers:1; /* somebody gets each event */

    mdm_str_t                 actor[MDM_NARGS_EVENT];
                                           /* see mdm_exchange_actor() */

    mdm_api_audit_t          *audits;      /* API: of what the answer shows,
                                              see mdm_api_audit.h */

    /* the response */

    mdm_uint_t                status;
    mdm_str_t                 response_type;   /* empty: no Content-Type */
    mdm_str_t                 response;
    mdm_str_t                 allow;       /* with 405 */
    mdm_uint_t                retry_after; /* seconds, with 503 */
    int64_t                   last_modified; /* Unix seconds; 0: not said */
    mdm_str_t                 enroll_state;    /* with 302: what a login is to
                                              bring back */
    mdm_header_t             *headers;     /* further ones, each name once,
                                              see mdm_exchange_header() */

    /* for variables and the log */

    mdm_str_t                 push_topic;  /* that a channel was enabled with
                                              for pushes; empty: it was not */
    mdm_str_t                 error;       /* why it was refused */
    mdm_failure_e             failure;     /* why it is our fault, with 500;
                                              the error says more */
    mdm_str_t                 enrollment_id;
    mdm_str_t                 message;     /* MessageType or "Connect" */
    mdm_str_t                 mdm_status;  /* Idle, Acknowledged … */
    mdm_str_t                 command_uuid;
    mdm_str_t                 request_type;
    mdm_str_t                 push_status; /* of an API call that pushes: what
                                              became of it */
    mdm_str_t                 push_owed;   /* channels that are owed one when it
                                              is answered, a number */
    mdm_str_t                 answered_type; /* of the command that was
                                              answered, if there is one */
    int64_t                   answered_age; /* seconds since it was queued;
                                              -1: not known */
    mdm_uint_t                queued;      /* commands that an API call has
                                              queued */
    unsigned                  answered:1;  /* there is one */
    mdm_str_t                 scep_operation;
    mdm_str_t                 scep_status; /* of PKIOperation: success, or the
                                              name of a failure */
    mdm_str_t                 ca_serial;   /* of what was issued, hex */
    mdm_log_t                *log;
    mdm_log_t               **last_log;
};


/*
 * Makes an exchange with its own arena.  NULL: no memory.  The caller fills
 * in the request and destroys x->arena at the end.
 */
mdm_exchange_t *mdm_exchange_create(const mdm_settings_t *settings);

/* the same with an arena of the pool; NULL: of none */
mdm_exchange_t *mdm_exchange_create_from(mdm_arena_pool_t *pool,
    const mdm_settings_t *settings);

/*
 * Calls the step once.  MDM_CALL: run x->calls in parallel, set rc and reply
 * of each, call again.  MDM_DONE: the response is there.  Never MDM_ERROR:
 * a step's error becomes 500, a failed call 503.
 *
 * Where calls may queue commands ("owes"), and this worker has said nothing of
 * the tenant for half a minute, they are held until Redis knows that somebody
 * must look for pushes that are owed: whoever queues them may end at any time.
 */
mdm_int_t mdm_exchange_run(mdm_exchange_t *x);

/* the same, but nothing comes between the runner and the step */
mdm_int_t mdm_exchange_step(mdm_exchange_t *x);

/*
 * Does the next run take long?  1 if the step has said so, or has more than
 * MDM_EXCHANGE_LARGE bytes before it: the body, at first, then the replies.
 * The runner should have a thread do it.
 */
mdm_uint_t mdm_exchange_heavy(const mdm_exchange_t *x);

#define MDM_EXCHANGE_LARGE  32768

/*
 * Takes the exchange out of the hands of who made it, so that another thread
 * may run the step: it gets keys of its own, and neither uses the cache nor
 * takes memory of a pool until it is back.  One thread at a time may have it;
 * what else it reads (body, settings, replies) must not change.
 *
 * away: MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_exchange_away(mdm_exchange_t *x);
void mdm_exchange_back(mdm_exchange_t *x);


/* for steps */

/*
 * A step inside a step.  "return mdm_exchange_enter(…)" puts the present step
 * aside and begins another one in x->state 0 with "ctx" as its x->ctx.  When
 * that one says "return mdm_exchange_leave(x)", the present step is called
 * again in x->state "state", with its own x->ctx, and x->calls as the entered
 * one has left them.  Steps are entered to any depth.
 *
 * An entered step that returns MDM_DONE has answered for all: those that it
 * was entered from are not called again.  One that returns MDM_CALL is called
 * again as any step; MDM_ERROR is the end of the exchange.
 *
 * Both return what a step returns.
 */
mdm_int_t mdm_exchange_enter(mdm_exchange_t *x, mdm_step_pt step, void *ctx,
    mdm_int_t state);
mdm_int_t mdm_exchange_leave(mdm_exchange_t *x);

/*
 * Starts a round of n calls, zeroed; MDM_CALL, or MDM_ERROR.  "state" is
 * what x->state will be when the step is called with the replies.
 */
mdm_int_t mdm_exchange_calls(mdm_exchange_t *x, mdm_uint_t n,
    mdm_int_t state);

/*
 * Fills in call i of the round: the script, KEYS[1] and room for ARGV, those
 * that the script always has and "more": what may be absent, or a list at the
 * end.  All are empty, except the ones that every script that writes events
 * has: these are filled in.  Returns the args, or NULL: no memory, or more than
 * the script takes.
 */
mdm_str_t *mdm_exchange_call(mdm_exchange_t *x, mdm_uint_t i,
    const mdm_script_t *script, const mdm_str_t *key, mdm_uint_t more);

/*
 * Fills in x->actor, which is indexed by MDM_ARG_WHO … MDM_ARG_LIMIT: who made
 * the API request, as events and the log name him, and how many events are
 * kept.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_exchange_actor(mdm_exchange_t *x);

/*
 * There may be events in the streams of this tag that somebody is to get: the
 * runner sees to it when the exchange is done.  Calls of scripts that write
 * events do so by themselves.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_exchange_event_tag(mdm_exchange_t *x, const mdm_str_t *tag);

/*
 * From the cache, as mdm_cache_get(), MDM_OK or MDM_DECLINED, and into it, both
 * wherever the step runs now.  The value is valid until the step returns; what
 * is put stays with the arena.
 */
mdm_int_t mdm_exchange_cache_get(mdm_exchange_t *x, const mdm_str_t *key,
    mdm_str_t *value);
void mdm_exchange_cache_put(mdm_exchange_t *x, const mdm_str_t *key,
    const mdm_str_t *value);

/*
 * The keys that the step may use where it runs now; NULL: there are none, and
 * nothing is sealed.
 */
const mdm_secret_keys_t *mdm_exchange_secrets(const mdm_exchange_t *x);

/* makes call i of the round one of work; MDM_OK or MDM_ERROR */
mdm_int_t mdm_exchange_work(mdm_exchange_t *x, mdm_uint_t i,
    mdm_work_pt work, void *data);

/*
 * A round of nothing but that, behind which the step is called in "state".
 * MDM_CALL or MDM_ERROR.
 */
mdm_int_t mdm_exchange_work_alone(mdm_exchange_t *x, mdm_int_t state,
    mdm_work_pt work, void *data);

/*
 * Makes call i of the round a push, which is zeroed; NULL: no memory.
 */
mdm_push_t *mdm_exchange_push(mdm_exchange_t *x, mdm_uint_t i);

/*
 * Makes call i of the round an HTTP request, which is zeroed; NULL: no memory.
 */
mdm_http_t *mdm_exchange_http(mdm_exchange_t *x, mdm_uint_t i);

/* for runners: runs a call of work, here and now, and sets its rc */
void mdm_call_work(mdm_call_t *call);

/* all return MDM_DONE */

/* an answer without a body */
mdm_int_t mdm_exchange_empty(mdm_exchange_t *x, mdm_uint_t status);

/* an answer with a body owned by the arena, a reply or the program */
mdm_int_t mdm_exchange_body(mdm_exchange_t *x, mdm_uint_t status,
    const char *type, const mdm_str_t *body);

/*
 * An error: x->error is the formatted text; the API answers it as
 * {"error":"…"}, who wants to enroll reads it as a line of text, a device gets
 * an empty body.
 */
mdm_int_t mdm_exchange_refuse(mdm_exchange_t *x, mdm_uint_t status,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * 403 with one of the codes that devices know, such as
 * "com.apple.unrecognized.device": in a plist for who sends messages, else in
 * JSON, and there with "details", which are JSON, or NULL.  x->error is the
 * formatted text, which the device does not see.
 */
mdm_int_t mdm_exchange_code(mdm_exchange_t *x, const char *code,
    const mdm_str_t *details, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* 503: too much waits for a thread */
mdm_int_t mdm_exchange_busy(mdm_exchange_t *x);

/* the same, 403, and x->unknown is set */
mdm_int_t mdm_exchange_unknown(mdm_exchange_t *x, const char *why);

/* a further response header; MDM_OK or MDM_ERROR */
mdm_int_t mdm_exchange_header(mdm_exchange_t *x, const char *name,
    const mdm_str_t *value);

/* 503 with Retry-After, jittered so that a fleet does not come back at once */
mdm_int_t mdm_exchange_unavailable(mdm_exchange_t *x);

/*
 * For who runs calls: the reply to one of them lives as long as the exchange
 * from now on, since the response may point into it.  No memory for that: the
 * call is MDM_CALL_UNAVAILABLE.
 */
void mdm_exchange_keep(mdm_exchange_t *x, mdm_call_t *call);

/* nothing is known of its outcome, for want of memory: it got lost */
void mdm_exchange_push_lost(mdm_call_t *call);
void mdm_exchange_http_lost(mdm_call_t *call);

/*
 * Has the script of a call refused it because the outbox is full?  A step need
 * not ask, unless it looks at failures itself: mdm_exchange_full() is the
 * answer, 503, and returns MDM_DONE; _error() is its text: MDM_OK or MDM_ERROR.
 */
mdm_uint_t mdm_exchange_is_full(const mdm_call_t *call);
mdm_int_t mdm_exchange_full(mdm_exchange_t *x, const mdm_call_t *call);
mdm_int_t mdm_exchange_full_error(mdm_exchange_t *x, const mdm_call_t *call,
    mdm_str_t *error);

/* 500, MDM_FAILURE_SCRIPT: the reply to call i is none of its script's */
mdm_int_t mdm_exchange_odd(mdm_exchange_t *x, mdm_uint_t i);

/* a line for the error log; out of memory loses the line, nothing else */
void mdm_exchange_log(mdm_exchange_t *x, mdm_log_e level,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));


#endif /* _MDM_EXCHANGE_H_INCLUDED_ */
