/* As much of the Java Native Interface as the example uses, to compile it where there is neither an NDK nor a JDK. */
#ifndef JNI_H
#define JNI_H

#include <stdint.h>

#define JNIEXPORT __attribute__((visibility("default")))
#define JNICALL

typedef int32_t jint;
typedef int64_t jlong;
typedef struct object *jobject;
typedef jobject jclass;
typedef const struct functions *JNIEnv;

struct functions {
    jclass (*FindClass)(JNIEnv *env, const char *name);
    jint (*ThrowNew)(JNIEnv *env, jclass class, const char *message);
    void *(*GetDirectBufferAddress)(JNIEnv *env, jobject buffer);
    jlong (*GetDirectBufferCapacity)(JNIEnv *env, jobject buffer);
};

#endif
