from django.contrib import admin
from django.urls import path
from threads import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("threads", views.create_thread),
    path("async/threads", views.create_thread_async),
    path("jobs/<job_id>", views.job_now),
]
