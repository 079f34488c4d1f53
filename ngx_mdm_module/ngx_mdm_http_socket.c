
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * libcurl in nginx's event loop: its sockets are events, its timer a timer.
 *
 * A socket is an nginx connection only while libcurl wants to know of it, so
 * one that is idle is none, and nginx never closes any.  Sockets to servers are
 * made and closed here.  Others, by which a thread that resolves a name wakes
 * us, libcurl makes and closes itself.
 */


#include "ngx_mdm_http_pool.h"


typedef struct {
    ngx_queue_t               queue;
    ngx_mdm_http_pool_t      *pool;
    ngx_connection_t         *connection;
} ngx_mdm_http_watch_t;


static int ngx_mdm_http_socket(CURL *easy, curl_socket_t s, int what,
    void *data, void *socket);
static ngx_uint_t ngx_mdm_http_connected(curl_socket_t s);
static ngx_mdm_http_watch_t *ngx_mdm_http_watch(ngx_mdm_http_pool_t *pool,
    curl_socket_t s);
static ngx_int_t ngx_mdm_http_watch_for(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t wanted);
static void ngx_mdm_http_unwatch(ngx_mdm_http_watch_t *watch);
static void ngx_mdm_http_event_handler(ngx_event_t *ev);
static int ngx_mdm_http_timer(CURLM *multi, long ms, void *data);
static void ngx_mdm_http_timer_handler(ngx_event_t *ev);
static void ngx_mdm_http_action(ngx_mdm_http_pool_t *pool, curl_socket_t s,
    int what);
static curl_socket_t ngx_mdm_http_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *addr);
static int ngx_mdm_http_close(void *data, curl_socket_t s);


ngx_int_t
ngx_mdm_http_multi_create(ngx_mdm_http_pool_t *pool)
{
    CURLM      *multi;
    CURLMcode   rc;

    multi = curl_multi_init();
    if (multi == NULL) {
        return NGX_ERROR;
    }

    pool->multi = multi;

    pool->timer.handler = ngx_mdm_http_timer_handler;
    pool->timer.data = pool;
    pool->timer.log = &pool->http->log;
    pool->timer.cancelable = 1;

    rc = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
                           ngx_mdm_http_socket);

    if (rc == CURLM_OK) {
        rc = curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, pool);
    }

    if (rc == CURLM_OK) {
        rc = curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
                               ngx_mdm_http_timer);
    }

    if (rc == CURLM_OK) {
        rc = curl_multi_setopt(multi, CURLMOPT_TIMERDATA, pool);
    }

    /* as many as can be used at a time stay open */

    if (rc == CURLM_OK) {
        rc = curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS,
                               (long) pool->client->max);
    }

    return (rc == CURLM_OK) ? NGX_OK : NGX_ERROR;
}


void
ngx_mdm_http_multi_destroy(ngx_mdm_http_pool_t *pool)
{
    ngx_queue_t  *q;

    if (pool->multi != NULL) {
        (void) curl_multi_cleanup(pool->multi);
        pool->multi = NULL;

        ERR_clear_error();
    }

    while (!ngx_queue_empty(&pool->watches)) {
        q = ngx_queue_head(&pool->watches);

        ngx_mdm_http_unwatch(ngx_queue_data(q, ngx_mdm_http_watch_t, queue));
    }

    if (pool->timer.timer_set) {
        ngx_del_timer(&pool->timer);
    }

    if (pool->timer.posted) {
        ngx_delete_posted_event(&pool->timer);
    }
}


CURLcode
ngx_mdm_http_multi_sockets(ngx_mdm_http_pool_t *pool, CURL *easy)
{
    CURLcode  rc;

    rc = curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, ngx_mdm_http_open);

    if (rc == CURLE_OK) {
        rc = curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, pool);
    }

    if (rc == CURLE_OK) {
        rc = curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION,
                              ngx_mdm_http_close);
    }

    if (rc == CURLE_OK) {
        rc = curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, pool);
    }

    return rc;
}


/* what libcurl wants to know of a socket */

static int
ngx_mdm_http_socket(CURL *easy, curl_socket_t s, int what, void *data,
    void *socket)
{
    ngx_mdm_http_pool_t *pool = data;
    ngx_mdm_http_watch_t *watch = socket;

    char               *private;
    ngx_connection_t   *c;
    ngx_mdm_http_op_t  *op;

    ngx_log_debug3(NGX_LOG_DEBUG_EVENT, &pool->http->log, 0,
                   "mdm http socket: %d what:%d known:%d", s, what,
                   watch != NULL);

    if (what == CURL_POLL_REMOVE) {

        if (watch != NULL) {
            ngx_mdm_http_unwatch(watch);
        }

        return 0;
    }

    private = NULL;
    (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);

    op = (ngx_mdm_http_op_t *) (void *) private;

    if (op != NULL && !op->connected && (what & CURL_POLL_IN)
        && pool->client->proxy_host.len != 0)
    {
        op->connected = ngx_mdm_http_connected(s);
    }

    if (watch == NULL) {
        watch = ngx_mdm_http_watch(pool, s);
    }

    if (watch != NULL) {
        c = watch->connection;

        if (ngx_mdm_http_watch_for(c->read, NGX_READ_EVENT,
                                   (what & CURL_POLL_IN) != 0)
            == NGX_OK
            && ngx_mdm_http_watch_for(c->write, NGX_WRITE_EVENT,
                                      (what & CURL_POLL_OUT) != 0)
               == NGX_OK)
        {
            return 0;
        }
    }

    /* an error here would be the end of all others, too */

    if (op != NULL) {
        op->starved = 1;
    }

    return 0;
}


/*
 * libcurl 8 does not say so itself before the proxy has answered.  It wakes
 * itself by sockets, too, which have no address.
 */

static ngx_uint_t
ngx_mdm_http_connected(curl_socket_t s)
{
    socklen_t       len;
    ngx_sockaddr_t  sa;

    len = sizeof(ngx_sockaddr_t);

    return getpeername(s, &sa.sockaddr, &len) == 0
           && sa.sockaddr.sa_family != AF_UNIX;
}


static ngx_mdm_http_watch_t *
ngx_mdm_http_watch(ngx_mdm_http_pool_t *pool, curl_socket_t s)
{
    ngx_log_t             *log;
    ngx_connection_t      *c;
    ngx_mdm_http_watch_t  *watch;

    log = &pool->http->log;

    watch = ngx_alloc(sizeof(ngx_mdm_http_watch_t), log);
    if (watch == NULL) {
        return NULL;
    }

    c = ngx_get_connection(s, log);
    if (c == NULL) {
        ngx_free(watch);
        return NULL;
    }

    c->data = watch;
    c->read->log = log;
    c->write->log = log;
    c->read->handler = ngx_mdm_http_event_handler;
    c->write->handler = ngx_mdm_http_event_handler;

    watch->pool = pool;
    watch->connection = c;

    ngx_queue_insert_tail(&pool->watches, &watch->queue);

    if (curl_multi_assign(pool->multi, s, watch) != CURLM_OK) {
        ngx_mdm_http_unwatch(watch);
        return NULL;
    }

    return watch;
}


/* level-triggered: libcurl does not read until there is nothing more */

static ngx_int_t
ngx_mdm_http_watch_for(ngx_event_t *ev, ngx_int_t event, ngx_uint_t wanted)
{
    if (wanted == ev->active) {
        return NGX_OK;
    }

    return wanted ? ngx_add_event(ev, event, NGX_LEVEL_EVENT)
                  : ngx_del_event(ev, event, 0);
}


/* the socket itself stays open */

static void
ngx_mdm_http_unwatch(ngx_mdm_http_watch_t *watch)
{
    ngx_connection_t  *c;

    c = watch->connection;

    if (ngx_del_conn) {

        if (c->read->active || c->write->active) {
            (void) ngx_del_conn(c, 0);
        }

    } else {
        (void) ngx_mdm_http_watch_for(c->read, NGX_READ_EVENT, 0);
        (void) ngx_mdm_http_watch_for(c->write, NGX_WRITE_EVENT, 0);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;

    ngx_free_connection(c);

    c->fd = (ngx_socket_t) -1;

    ngx_queue_remove(&watch->queue);
    ngx_free(watch);
}


static void
ngx_mdm_http_event_handler(ngx_event_t *ev)
{
    ngx_connection_t      *c;
    ngx_mdm_http_watch_t  *watch;

    c = ev->data;
    watch = c->data;

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, ev->log, 0,
                   "mdm http event: %d write:%ud", c->fd, ev->write);

    /* worker_shutdown_timeout: the next tick ends what runs */

    if (c->close) {
        c->close = 0;
        c->error = 0;
        watch->pool->http->hurry = 1;
        return;
    }

    ngx_mdm_http_action(watch->pool, c->fd,
                        ev->write ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
}


/* when libcurl wants to be called; -1: not at all */

static int
ngx_mdm_http_timer(CURLM *multi, long ms, void *data)
{
    ngx_mdm_http_pool_t *pool = data;

    (void) multi;

    if (pool->timer.timer_set) {
        ngx_del_timer(&pool->timer);
    }

    if (ms > 0) {
        ngx_add_timer(&pool->timer, (ngx_msec_t) ms);

    } else if (ms == 0) {
        ngx_post_event(&pool->timer, &ngx_posted_next_events);

    } else if (pool->timer.posted) {
        ngx_delete_posted_event(&pool->timer);
    }

    return 0;
}


static void
ngx_mdm_http_timer_handler(ngx_event_t *ev)
{
    ngx_mdm_http_pool_t  *pool;

    pool = ev->data;

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, ev->log, 0, "mdm http timer");

    ngx_mdm_http_action(pool, CURL_SOCKET_TIMEOUT, 0);
}


static void
ngx_mdm_http_action(ngx_mdm_http_pool_t *pool, curl_socket_t s, int what)
{
    int        running;
    CURLMcode  rc;

    rc = curl_multi_socket_action(pool->multi, s, what, &running);

    /* what OpenSSL had to say would be nginx's, of another connection */

    ERR_clear_error();

    if (rc != CURLM_OK) {
        ngx_log_error(NGX_LOG_ALERT, &pool->http->log, 0,
                      "curl_multi_socket_action() failed: %s",
                      curl_multi_strerror(rc));
    }

    pool->ran(pool);
}


static curl_socket_t
ngx_mdm_http_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *addr)
{
    ngx_mdm_http_pool_t *pool = data;

    ngx_socket_t  s;

    (void) purpose;

    s = socket(addr->family, addr->socktype, addr->protocol);

    if (s == (ngx_socket_t) -1) {
        ngx_log_error(NGX_LOG_ALERT, &pool->http->log, ngx_socket_errno,
                      ngx_socket_n " failed");
        return CURL_SOCKET_BAD;
    }

    if (fcntl(s, F_SETFD, FD_CLOEXEC) == -1 || ngx_nonblocking(s) == -1) {
        ngx_log_error(NGX_LOG_ALERT, &pool->http->log, ngx_socket_errno,
                      "fcntl() of a socket failed");
        (void) ngx_close_socket(s);
        return CURL_SOCKET_BAD;
    }

    return s;
}


/*
 * libcurl has said before that it does not look at it any more.  One that was
 * not connected yet 7.88 closes by itself.
 */

static int
ngx_mdm_http_close(void *data, curl_socket_t s)
{
    ngx_mdm_http_pool_t *pool = data;

    if (ngx_close_socket(s) == -1) {
        ngx_log_error(NGX_LOG_ALERT, &pool->http->log, ngx_socket_errno,
                      ngx_close_socket_n " %d failed", s);
    }

    return 0;
}
